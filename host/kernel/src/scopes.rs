//! The scopes of all policies that ask for containers: one bit each.

use std::collections::HashMap;

use serin_abi::MAX_BINARY_SETS;
use serin_abi::workload::Scopes as Bits;
use serin_policy::{ContainerScope, Description, PolicyPlan};

/// Every such scope that differs from the others, by its bit.
#[derive(Clone, Default)]
pub(crate) struct Scopes(HashMap<ContainerScope, u32>);

impl Scopes {
    /// Adds those of policies; whether there were new ones.
    ///
    /// # Errors
    /// Says that there are too many. Not to be used any more then.
    pub(crate) fn extend(&mut self, policies: &[PolicyPlan]) -> Result<bool, String> {
        let before = self.0.len();
        let selectors = policies.iter().flat_map(|policy| &policy.hooks).flat_map(|hook| &hook.selectors);
        for scope in
            selectors.flat_map(|selector| &selector.scopes).filter_map(|scope| scope.containers.as_ref())
        {
            let next = self.0.len() as u32;
            self.0.entry(scope.clone()).or_insert(next);
        }
        if self.0.len() > MAX_BINARY_SETS {
            let count = self.0.len();
            return Err(format!(
                "there are {count} that differ, over all policies; {MAX_BINARY_SETS} can be told apart"
            ));
        }
        Ok(self.0.len() > before)
    }

    /// The bit of a scope; one that is in no policy has none.
    pub(crate) fn bit(&self, scope: &ContainerScope) -> Option<u32> {
        self.0.get(scope).copied()
    }

    /// Those that a container is in.
    pub(crate) fn of(&self, id: &str, description: Option<&Description>) -> Bits {
        let mut bits = Bits::NONE;
        let holding = self.0.iter().filter(|(scope, _)| scope.holds_for(id, description));
        holding.for_each(|(_, &bit)| bits.insert(bit));
        bits
    }

    /// The ids that scopes name.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &String> {
        let requirements = self.0.keys().flat_map(|scope| &scope.container);
        requirements.filter(|requirement| requirement.key == "id").flat_map(|requirement| &requirement.values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_policy::Scope;

    use super::*;

    #[test]
    fn equal_scopes_share_a_bit() {
        let every = ContainerScope::default();
        let shop = ContainerScope { namespace: Some("shop".into()), ..ContainerScope::default() };
        let policy = |scope: &ContainerScope| {
            let yaml = "{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {name: p}, spec: {kprobes: [\
                        {call: sys_dup, selectors: [{}]}]}}";
            let policies = serin_policy::Policy::parse(yaml, std::path::Path::new("p.yaml")).unwrap();
            let mut plan = policies[0].plan().clone();
            plan.hooks[0].selectors[0].scopes = vec![Scope { host: true, containers: Some(scope.clone()) }];
            plan
        };
        let mut scopes = Scopes::default();
        assert_eq!(scopes.extend(&[policy(&every), policy(&shop), policy(&every)]), Ok(true));
        assert_eq!(scopes.extend(&[policy(&shop)]), Ok(false));
        assert_eq!((scopes.bit(&every), scopes.bit(&shop)), (Some(0), Some(1)));
        let bits = |description: Option<&Description>| {
            let found = scopes.of("5e1f", description);
            [found.contains(0), found.contains(1)]
        };
        let known = Description { namespace: "shop".into(), ..Description::default() };
        assert_eq!((bits(None), bits(Some(&known))), ([true, false], [true, true]));
    }
}
