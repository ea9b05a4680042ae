//! The filters on binaries of all policies, as the exec program evaluates them.

use std::collections::HashMap;

use serin_abi::binaries::{BinaryTable, Pattern};
use serin_abi::config::{TEST_TEXT_EQUAL, TEST_TEXT_POSTFIX, TEST_TEXT_PREFIX};
use serin_abi::{BINARY_KEY, BINARY_PATHS, BinarySets, MAX_BINARY_SETS};
use serin_policy::{BinaryComparison, BinaryCondition, PolicyPlan, SelectorPlan};

use crate::text::text;

/// Every condition on binaries that differs from the others, by its number in [`BinarySets`].
#[derive(Clone, Default)]
pub(crate) struct Binaries {
    sets: HashMap<BinaryCondition, u32>,
    /// Paths that are found by one look-up.
    paths: HashMap<String, BinarySets>,
    patterns: Vec<Value>,
    inherited: BinarySets,
}

/// A value that the exec program compares: see [`Pattern`].
#[derive(Clone)]
struct Value {
    comparison: BinaryComparison,
    text: String,
    set: u32,
}

/// Filters on binaries that [`crate::Kernel::name_binaries`] has just added.
#[derive(Debug)]
pub struct NewFilters(pub(crate) BinarySets);

/// A process that was there before the programs, or the filters, were.
#[derive(Debug, Clone, Copy)]
pub struct ExistingProcess<'p> {
    /// Its id.
    pub pid: u32,
    /// Its parent's id; 0 if the kernel is the parent.
    pub parent: u32,
    /// Path of its binary; empty if not known.
    pub binary: &'p str,
}

/// How many values of the policies' filters on binaries are compared one by one when a process executes a program.
pub(crate) fn binary_patterns(policies: &[PolicyPlan]) -> usize {
    Binaries::of(policies).map_or(0, |binaries| binaries.patterns.len())
}

impl Binaries {
    /// Those of all policies.
    ///
    /// # Errors
    /// Says which limit they exceed.
    pub(crate) fn of(policies: &[PolicyPlan]) -> Result<Self, String> {
        let mut binaries = Self::default();
        binaries.extend(policies)?;
        Ok(binaries)
    }

    /// Adds those of more policies, behind those that are there; the new ones.
    ///
    /// # Errors
    /// Says which limit they exceed. Not to be used any more then.
    pub(crate) fn extend(&mut self, policies: &[PolicyPlan]) -> Result<BinarySets, String> {
        let before = self.sets.len();
        let selectors = policies.iter().flat_map(|policy| &policy.hooks).flat_map(|hook| &hook.selectors);
        for condition in selectors.flat_map(conditions) {
            self.add(condition);
        }
        let count = self.sets.len();
        if count > MAX_BINARY_SETS {
            return Err(format!(
                "{count} different filters on binaries, where all policies can have at most {MAX_BINARY_SETS}"
            ));
        }
        let mut new = BinarySets::NONE;
        (before..count).for_each(|set| new.insert(set as u32));
        Ok(new)
    }

    fn add(&mut self, condition: &BinaryCondition) {
        if self.sets.contains_key(condition) {
            return;
        }
        let set = self.sets.len() as u32;
        self.sets.insert(condition.clone(), set);
        if condition.follow_children {
            self.inherited.insert(set);
        }
        for value in &condition.values {
            let room = self.paths.len() < BINARY_PATHS as usize || self.paths.contains_key(value);
            if condition.comparison == BinaryComparison::Equal && value.len() < BINARY_KEY && room {
                self.paths.entry(value.clone()).or_default().insert(set);
            } else {
                let comparison = condition.comparison;
                self.patterns.push(Value { comparison, text: value.clone(), set });
            }
        }
    }

    /// The condition's number; one that is in no policy has none.
    pub(crate) fn set(&self, condition: &BinaryCondition) -> Option<u32> {
        self.sets.get(condition).copied()
    }

    /// Keys and values of the map `BINARIES`.
    pub(crate) fn paths(&self) -> impl Iterator<Item = ([u8; BINARY_KEY], BinarySets)> {
        self.paths.iter().map(|(path, sets)| {
            let mut key = [0; BINARY_KEY];
            key.iter_mut().zip(path.bytes()).for_each(|(to, from)| *to = from);
            (key, *sets)
        })
    }

    /// Entries of the map `BINARY_PATTERNS`.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = Pattern> {
        self.patterns.iter().map(|value| Pattern {
            test: match value.comparison {
                BinaryComparison::Equal => TEST_TEXT_EQUAL,
                BinaryComparison::Prefix => TEST_TEXT_PREFIX,
                BinaryComparison::Postfix => TEST_TEXT_POSTFIX,
            },
            set: value.set,
            value: text(value.text.as_bytes()),
        })
    }

    /// The entry of the map `BINARY_TABLE`.
    pub(crate) fn table(&self) -> BinaryTable {
        BinaryTable { inherited: self.inherited, patterns: self.patterns.len() as u64 }
    }

    /// What holds for processes that were there before: for each, and for its parent.
    pub(crate) fn classify(&self, processes: &[ExistingProcess<'_>]) -> Vec<(u32, BinarySets, BinarySets)> {
        let by_pid: HashMap<u32, &ExistingProcess<'_>> =
            processes.iter().map(|process| (process.pid, process)).collect();
        let mut known = HashMap::from([(0, BinarySets::NONE)]);
        let mut sets = |pid: u32| {
            // From the process up to the first ancestor that is known, and back.
            let mut line = Vec::new();
            let mut next = pid;
            while let Some(process) = by_pid.get(&next).filter(|process| !known.contains_key(&process.pid)) {
                // What is known of it by now ends the walk if /proc was read in pieces that make a circle.
                known.insert(next, BinarySets::NONE);
                line.push(process);
                next = process.parent;
            }
            for process in line.into_iter().rev() {
                let above = known.get(&process.parent).copied().unwrap_or_default();
                known.insert(process.pid, self.after_exec(process.binary, above));
            }
            known.get(&pid).copied().unwrap_or_default()
        };
        processes.iter().map(|process| (process.pid, sets(process.pid), sets(process.parent))).collect()
    }

    /// What holds for a process that has executed this program, and for which this held before.
    pub(crate) fn after_exec(&self, path: &str, before: BinarySets) -> BinarySets {
        self.sets_of(path).with(before.common(self.inherited))
    }

    /// What holds for a path.
    fn sets_of(&self, path: &str) -> BinarySets {
        let mut sets = self.paths.get(path).copied().unwrap_or_default();
        for Value { comparison, text, set } in &self.patterns {
            let holds = match comparison {
                BinaryComparison::Equal => path == text,
                BinaryComparison::Prefix => path.starts_with(text),
                BinaryComparison::Postfix => path.ends_with(text),
            };
            if holds {
                sets.insert(*set);
            }
        }
        sets
    }
}

fn conditions(selector: &SelectorPlan) -> impl Iterator<Item = &BinaryCondition> {
    selector.binaries.iter().chain(&selector.parent_binaries).map(|filter| &filter.condition)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_policy::{ActionPlan, BinaryFilter, HookPlan, Target};

    use super::*;

    fn condition(comparison: BinaryComparison, value: &str, follow_children: bool) -> BinaryCondition {
        BinaryCondition { comparison, values: vec![value.into()], follow_children }
    }

    fn policy(conditions: &[BinaryCondition]) -> PolicyPlan {
        let binaries = |negated| {
            let filter =
                move |condition: &BinaryCondition| BinaryFilter { negated, condition: condition.clone() };
            conditions.iter().map(filter).collect()
        };
        let selector = SelectorPlan {
            binaries: binaries(false),
            parent_binaries: binaries(true),
            actions: vec![ActionPlan::Post],
            ..SelectorPlan::default()
        };
        let hook = HookPlan {
            target: Target::Function("f".into()),
            arguments: Vec::new(),
            returns: None,
            return_action: None,
            selectors: vec![selector],
            message: String::new(),
            tags: Vec::new(),
            ignore_not_found: false,
            position: (1, 1),
        };
        PolicyPlan {
            name: "p".into(),
            monitor: false,
            one_by_one: false,
            nodes: Vec::new(),
            hooks: vec![hook],
            enforced: vec![],
        }
    }

    #[test]
    fn equal_conditions_share_a_set_and_long_paths_are_patterns() {
        let long = format!("/{}", "a".repeat(BINARY_KEY));
        let conditions = [
            condition(BinaryComparison::Equal, "/bin/a", false),
            condition(BinaryComparison::Equal, "/bin/a", true),
            condition(BinaryComparison::Equal, &long, false),
            condition(BinaryComparison::Prefix, "/bin/", false),
        ];
        let binaries = Binaries::of(&[policy(&conditions), policy(&conditions)]).unwrap();
        let sets: Vec<_> = conditions.iter().map(|condition| binaries.set(condition)).collect();
        assert_eq!(sets, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!((binaries.paths().count(), binaries.patterns().count()), (1, 2));
        assert!(binaries.table().inherited.contains(1));
        let found = binaries.sets_of("/bin/a");
        assert_eq!([0, 1, 2, 3].map(|set| found.contains(set)), [true, true, false, true]);
        assert!(binaries.sets_of(&long).contains(2));
    }

    #[test]
    fn descendants_inherit_what_is_to_be_followed() {
        let conditions = [
            condition(BinaryComparison::Postfix, "/sh", true),
            condition(BinaryComparison::Postfix, "/sh", false),
        ];
        let binaries = Binaries::of(&[policy(&conditions)]).unwrap();
        // 7 and 8 are each other's parents, as in two looks at /proc between which ids were given anew.
        let processes = [
            (4, 3, "/bin/cat"),
            (3, 2, "/bin/vi"),
            (2, 1, "/bin/sh"),
            (1, 0, "/init"),
            (7, 8, ""),
            (8, 7, ""),
        ]
        .map(|(pid, parent, binary)| ExistingProcess { pid, parent, binary });
        let found: Vec<_> = binaries
            .classify(&processes)
            .into_iter()
            .map(|(pid, own, parent)| (pid, [own, parent].map(|sets| [sets.contains(0), sets.contains(1)])))
            .collect();
        let (none, followed, is) = ([false, false], [true, false], [true, true]);
        let expected = [
            (4, [followed, followed]),
            (3, [followed, is]),
            (2, [is, none]),
            (1, [none, none]),
            (7, [none, none]),
            (8, [none, none]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn filters_of_policies_that_come_later_are_appended() {
        let before = [
            condition(BinaryComparison::Equal, "/bin/a", false),
            condition(BinaryComparison::Prefix, "/bin/", false),
        ];
        let later = [
            condition(BinaryComparison::Postfix, "/a", true),
            condition(BinaryComparison::Equal, "/bin/a", false),
            condition(BinaryComparison::Equal, "/bin/a", true),
        ];
        let mut binaries = Binaries::of(&[policy(&before)]).unwrap();
        let new = binaries.extend(&[policy(&later)]).unwrap();
        let sets: Vec<_> = before.iter().chain(&later).map(|condition| binaries.set(condition)).collect();
        assert_eq!(sets, [Some(0), Some(1), Some(2), Some(0), Some(3)]);
        assert_eq!([0, 1, 2, 3].map(|set| new.contains(set)), [false, false, true, true]);
        let patterns: Vec<_> = binaries.patterns().map(|pattern| pattern.set).collect();
        assert_eq!(patterns, [1, 2]);
        assert_eq!(binaries.extend(&[policy(&later)]), Ok(BinarySets::NONE));
    }

    #[test]
    fn the_number_of_sets_is_limited() {
        let conditions: Vec<_> = (0..=MAX_BINARY_SETS)
            .map(|number| condition(BinaryComparison::Equal, &format!("/{number}"), false))
            .collect();
        assert!(Binaries::of(&[policy(&conditions[1..])]).is_ok());
        let error = Binaries::of(&[policy(&conditions)]).err().unwrap();
        assert_eq!(error, "257 different filters on binaries, where all policies can have at most 256");
    }
}
