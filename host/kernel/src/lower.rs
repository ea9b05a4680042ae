//! Turns a hook plan into the read-only data and map contents of a hook program.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;

use serin_abi::config::{
    ACTION_COPY, ACTION_FOLLOW, ACTION_OVERRIDE, ACTION_POST, ACTION_REMEMBER, ACTION_SIGKILL, ACTION_SIGNAL,
    ACTION_TRACK, ACTION_UNFOLLOW, ACTION_UNTRACK, ArgumentConfig, BINARY_OWN, BINARY_PARENT, COMPAT_SYSCALL,
    FUNCTION, Filter, Filters, HookConfig, PID_ANCESTORS, PID_NAMESPACE, RATE_GLOBAL, RATE_PROCESS,
    RATE_THREAD, RATE_UNLIMITED, READ_BUFFER, READ_DENTRY, READ_DESCRIPTOR, READ_FIELDS, READ_FILENAME,
    READ_ITERATOR, READ_KIOCB, READ_LOCATION, READ_POINTED, READ_SOCKET, READ_VALUE, SIZE_IS_INT, SYSCALL,
    Selector, TEST_ADDRESS_RANGE, TEST_BINARY_IN, TEST_BINARY_NOT_IN, TEST_BITS_GAINED, TEST_INTEGER_IN,
    TEST_INTEGER_MASK, TEST_INTEGER_RANGE, TEST_NOT, TEST_PID_IN, TEST_PID_NOT_IN, TEST_TEXT_EQUAL,
    TEST_TEXT_POSTFIX, TEST_TEXT_PREFIX, TEST_TEXT_SUBSTRING, WORD_SHIFT,
};
use serin_abi::network;
use serin_abi::record::{
    KIND_BINPRM, KIND_BPF_ATTR, KIND_BPF_CMD, KIND_BPF_MAP, KIND_BPF_PROG, KIND_BYTES, KIND_CAP_EFFECTIVE,
    KIND_CAP_INHERITABLE, KIND_CAP_PERMITTED, KIND_CAPABILITY, KIND_CRED, KIND_FILE, KIND_INT, KIND_INT8,
    KIND_INT16, KIND_KERNEL_CAP, KIND_LOAD_INFO, KIND_LONG, KIND_MODULE, KIND_NET_DEVICE, KIND_PATH,
    KIND_PERF_EVENT, KIND_SIZE, KIND_SKB, KIND_SOCK, KIND_SOCKADDR, KIND_SOCKADDR_UN, KIND_STRING,
    KIND_SYSCALL, KIND_UINT, KIND_UINT8, KIND_UINT16, KIND_USER_NAMESPACE,
};
use serin_abi::text::{FALLBACKS, fallbacks};
use serin_abi::{
    MAX_ARGUMENTS, MAX_FIELDS, MAX_FILTERS, MAX_SELECTORS, MAX_STRING, MAX_SUBSTRING, Member, Number, Range,
    Text,
};
use serin_btf::{BtfError, Field, Format};
use serin_policy::{
    ActionPlan, ArgumentFilter, ArgumentKind, ArgumentPlan, HookPlan, IdentityCondition, IdentityFilter,
    Membership, Part, RateScope, SelectorPlan, SocketAction, Target, Test,
};

use crate::binaries::Binaries;
use crate::identity;
use crate::record;
use crate::structures;
use crate::wire::zeroed;

/// What one instance of the hook program is given.
#[derive(Clone)]
pub(crate) struct Lowered {
    pub(crate) config: HookConfig,
    pub(crate) members: Vec<Member>,
    pub(crate) ranges: Vec<Range>,
    pub(crate) texts: Vec<Vec<u8>>,
}

/// Lowers a hook, with the format of its tracepoint's record, if it is on one, and with what finds a structure's field in
/// this kernel; the way of overriding and its place on the dispatcher are set later.
///
/// # Errors
/// Says which limit of the hook program the plan exceeds.
pub(crate) fn lower(
    plan: &HookPlan,
    hook: u32,
    binaries: &Binaries,
    format: Option<&Format>,
    find: &impl Fn(&str, &str) -> Result<Field, BtfError>,
) -> Result<Lowered, String> {
    let mut lowered =
        Lowered { config: zeroed(), members: Vec::new(), ranges: Vec::new(), texts: Vec::new() };
    lowered.config.hook = hook;
    lowered.config.seed = RandomState::new().hash_one(hook);
    lowered.config.source = match plan.target {
        Target::Syscall { .. } => SYSCALL,
        Target::CompatSyscall { .. } => COMPAT_SYSCALL,
        _ => FUNCTION,
    };
    lowered.arguments(plan, format, find)?;
    (lowered.config.returned.kind, lowered.config.returned.read) =
        plan.returns.as_ref().map_or((0, 0), |returned| reading(returned.kind));
    lowered.config.return_action = plan.return_action.map_or(0, socket_action);
    limit("selectors", plan.selectors.len(), MAX_SELECTORS)?;
    lowered.config.selector_count = plan.selectors.len() as u32;
    let mut filters = Vec::new();
    for (index, selector) in plan.selectors.iter().enumerate() {
        let first_filter = filters.len() as u32;
        lowered.filters(selector, binaries, &mut filters)?;
        lowered.config.selectors[index] = Selector {
            first_filter,
            filter_count: filters.len() as u32 - first_filter,
            actions: actions(&selector.actions) | (ACTION_REMEMBER * u32::from(identity::changes(selector))),
            error: selector.actions.iter().find_map(override_error).unwrap_or(0),
            signal: selector.actions.iter().find_map(signal).unwrap_or(0),
            descriptor: descriptors(&selector.actions).0,
            name: descriptors(&selector.actions).1,
            socket: selector.actions.iter().find_map(socket).unwrap_or(0),
            reserved: 0,
            rate_scope: selector.rate_limit.map_or(RATE_UNLIMITED, |limit| scope(limit.scope)),
            rate_period: selector.rate_limit.map_or(0, |limit| limit.period),
        };
        let first = filters.len() as u32;
        for filter in &selector.returned {
            filters.push(lowered.argument(filter)?);
        }
        lowered.config.return_filters[index] = Filters { first, count: filters.len() as u32 - first };
    }
    limit("filters", filters.len(), MAX_FILTERS)?;
    lowered.config.filters[..filters.len()].copy_from_slice(&filters);
    Ok(lowered)
}

/// Equal events that a hook with a `rateLimit` remembers.
const RATES: usize = 32_768;

impl Lowered {
    /// Entries of the map of equal events.
    pub(crate) fn rates(&self) -> usize {
        let limited = self.config.selectors.iter().any(|selector| selector.rate_scope != RATE_UNLIMITED);
        if limited { RATES } else { 0 }
    }

    fn arguments(
        &mut self,
        plan: &HookPlan,
        format: Option<&Format>,
        find: &impl Fn(&str, &str) -> Result<Field, BtfError>,
    ) -> Result<(), String> {
        limit("arguments", plan.arguments.len(), MAX_ARGUMENTS)?;
        self.config.argument_count = plan.arguments.len() as u32;
        let mut fields = Vec::new();
        for (config, argument) in self.config.arguments.iter_mut().zip(&plan.arguments) {
            let (kind, read) = reading(argument.kind);
            let first_field = fields.len() as u32;
            fields.extend(structures::fields(argument.kind, find).map_err(|error| error.to_string())?);
            let field_count = fields.len() as u32 - first_field;
            let (index, size) = (argument.index.into(), size(argument.kind, plan));
            *config = ArgumentConfig { index, kind, read, first_field, field_count, size };
            match format {
                Some(format) => record::place(config, argument, format)?,
                None => limit("argument index", argument.index.into(), MAX_ARGUMENTS - 1)?,
            }
        }
        limit("fields of structures", fields.len(), MAX_FIELDS)?;
        self.config.fields[..fields.len()].copy_from_slice(&fields);
        Ok(())
    }

    /// Adds a selector's filters, cheapest first: what needs no argument, integers, strings, paths.
    fn filters(
        &mut self,
        selector: &SelectorPlan,
        binaries: &Binaries,
        filters: &mut Vec<Filter>,
    ) -> Result<(), String> {
        for filter in &selector.pids {
            let values = filter.values.iter().map(|&pid| u64::from(pid));
            let test = by_membership(filter.membership, TEST_PID_IN, TEST_PID_NOT_IN);
            let flags = (PID_ANCESTORS * u32::from(filter.follow_forks))
                | (PID_NAMESPACE * u32::from(filter.in_namespace));
            filters.push(self.set(test, flags, values));
        }
        let own = selector.binaries.iter().map(|filter| (filter, BINARY_OWN));
        let parents = selector.parent_binaries.iter().map(|filter| (filter, BINARY_PARENT));
        for (filter, whose) in own.chain(parents) {
            let test = if filter.negated { TEST_BINARY_NOT_IN } else { TEST_BINARY_IN };
            let set =
                binaries.set(&filter.condition).ok_or("a filter on binaries that was not named before")?;
            filters.push(Filter { test, slot: whose, values: set, count: 0 });
        }
        for filter in &selector.identity {
            let lowered = self.identity(filter)?;
            filters.push(lowered);
        }
        let mut arguments: Vec<&ArgumentFilter> = selector.arguments.iter().collect();
        arguments.sort_by_key(|filter| self.cost(filter));
        for filter in arguments {
            filters.extend(only_ip(filter));
            let filter = self.argument(filter)?;
            filters.push(filter);
        }
        Ok(())
    }

    fn identity(&mut self, filter: &IdentityFilter) -> Result<Filter, String> {
        let mut lowered = identity::filter(&filter.condition);
        match &filter.condition {
            IdentityCondition::Namespace(kind, values) => {
                lowered = self.set(lowered.test, lowered.slot, identity::inodes(*kind, values)?.into_iter());
            }
            IdentityCondition::User(_, ranges) => {
                lowered = self.ranges(lowered.test, lowered.slot, ranges);
            }
            _ => {}
        }
        lowered.test |= TEST_NOT * u32::from(filter.negated);
        Ok(lowered)
    }

    fn cost(&self, filter: &ArgumentFilter) -> u32 {
        self.config.arguments.get(filter.slot).map_or(0, |argument| match argument.kind {
            KIND_SOCK | KIND_SKB | KIND_SOCKADDR => 1,
            KIND_STRING | KIND_SOCKADDR_UN | KIND_NET_DEVICE | KIND_BYTES => 2,
            KIND_FILE | KIND_PATH | KIND_BINPRM => 3,
            _ => 0,
        })
    }

    fn argument(&mut self, filter: &ArgumentFilter) -> Result<Filter, String> {
        let slot = filter.slot as u32 | self.word(filter) << WORD_SHIFT;
        let mut lowered = match &filter.test {
            Test::IntEqual(values) => {
                self.set(TEST_INTEGER_IN, slot, values.iter().map(|&value| value as u64))
            }
            Test::Gained(after) => Filter { test: TEST_BITS_GAINED, slot, values: *after as u32, count: 0 },
            Test::IntRanges(ranges) => self.ranges(TEST_INTEGER_RANGE, slot, ranges),
            Test::Addresses(ranges) => self.ranges(TEST_ADDRESS_RANGE, slot, ranges),
            Test::IntMask(mask) => {
                let (values, count) = (*mask as u32, (*mask >> 32) as u32);
                Filter { test: TEST_INTEGER_MASK, slot, values, count }
            }
            Test::Equal(values) => self.list(TEST_TEXT_EQUAL, slot, values)?,
            Test::Prefix(values) => self.list(TEST_TEXT_PREFIX, slot, values)?,
            Test::Postfix(values) => self.list(TEST_TEXT_POSTFIX, slot, values)?,
            Test::SubString(values) => self.list(TEST_TEXT_SUBSTRING, slot, values)?,
        };
        lowered.test |= TEST_NOT * u32::from(filter.negated);
        Ok(lowered)
    }

    /// The word of an argument that holds the part to compare; 0 for its own value.
    fn word(&self, filter: &ArgumentFilter) -> u32 {
        let kind = self.config.arguments.get(filter.slot).map_or(0, |argument| argument.kind);
        match filter.part {
            Part::Value | Part::FileType => 0,
            Part::SAddr => network::SADDR,
            Part::DAddr => network::DADDR,
            Part::SPort => network::SPORT,
            Part::DPort => network::DPORT,
            Part::Protocol => network::PROTOCOL,
            // Its words are its text.
            Part::Family if kind == KIND_SOCKADDR_UN => 0,
            Part::Family => network::FAMILY,
            Part::State => network::STATE,
        }
    }

    fn ranges<T: Copy + Into<Number>>(
        &mut self,
        test: u32,
        slot: u32,
        ranges: &[RangeInclusive<T>],
    ) -> Filter {
        let first = self.ranges.len() as u32;
        let range =
            |range: &RangeInclusive<T>| Range { first: (*range.start()).into(), last: (*range.end()).into() };
        self.ranges.extend(ranges.iter().map(range));
        Filter { test, slot, values: first, count: ranges.len() as u32 }
    }

    fn set(&mut self, test: u32, slot: u32, values: impl Iterator<Item = u64>) -> Filter {
        let set = self.members.last().map_or(0, |last| last.set + 1);
        let before = self.members.len();
        self.members.extend(values.map(|value| Member { value, set, reserved: 0 }));
        Filter { test, slot, values: set, count: (self.members.len() - before) as u32 }
    }

    fn list(&mut self, test: u32, slot: u32, values: &[Vec<u8>]) -> Result<Filter, String> {
        let first = self.texts.len() as u32;
        let longest = if test == TEST_TEXT_SUBSTRING { MAX_SUBSTRING } else { MAX_STRING };
        for value in values {
            limit("bytes of a value", value.len(), longest)?;
            self.texts.push(value.clone());
        }
        Ok(Filter { test, slot, values: first, count: values.len() as u32 })
    }
}

/// Addresses and ports match only where there are some, negated or not: the filter that sees to it.
fn only_ip(filter: &ArgumentFilter) -> Option<Filter> {
    let slot = filter.slot as u32 | network::HAS_IP << WORD_SHIFT;
    let needed = matches!(filter.part, Part::SAddr | Part::DAddr | Part::SPort | Part::DPort);
    needed.then_some(Filter { test: TEST_INTEGER_MASK, slot, values: network::IP as u32, count: 0 })
}

/// A text as the programs read it.
pub(crate) fn text(value: &[u8]) -> Text {
    let mut text: Text = zeroed();
    text.length = value.len() as u32;
    text.bytes[..value.len()].copy_from_slice(value);
    if value.len() <= MAX_SUBSTRING {
        fallbacks(value, |at, length| {
            let at = FALLBACKS + size_of::<u16>() * at;
            text.bytes[at..at + size_of::<u16>()].copy_from_slice(&length.to_ne_bytes());
        });
    }
    text
}

fn scope(scope: RateScope) -> u32 {
    match scope {
        RateScope::Thread => RATE_THREAD,
        RateScope::Process => RATE_PROCESS,
        RateScope::Global => RATE_GLOBAL,
    }
}

/// Whether any selector overrides.
pub(crate) fn overrides(plan: &HookPlan) -> bool {
    plan.selectors
        .iter()
        .flat_map(|selector| &selector.actions)
        .any(|action| override_error(action).is_some())
}

fn limit(what: &str, value: usize, max: usize) -> Result<(), String> {
    if value > max {
        return Err(format!("{value} {what}, where a hook can have at most {max}"));
    }
    Ok(())
}

fn by_membership(membership: Membership, is_in: u32, is_not_in: u32) -> u32 {
    match membership {
        Membership::In => is_in,
        Membership::NotIn => is_not_in,
    }
}

/// What the record will say an argument is, and how to come by it.
fn reading(kind: ArgumentKind) -> (u32, u32) {
    match kind {
        ArgumentKind::Int8 => (KIND_INT8, READ_VALUE),
        ArgumentKind::Int16 => (KIND_INT16, READ_VALUE),
        ArgumentKind::Uint8 => (KIND_UINT8, READ_VALUE),
        ArgumentKind::Uint16 => (KIND_UINT16, READ_VALUE),
        ArgumentKind::Int => (KIND_INT, READ_VALUE),
        ArgumentKind::Uint => (KIND_UINT, READ_VALUE),
        ArgumentKind::Long => (KIND_LONG, READ_VALUE),
        ArgumentKind::Size => (KIND_SIZE, READ_VALUE),
        ArgumentKind::String => (KIND_STRING, READ_VALUE),
        ArgumentKind::Filename => (KIND_STRING, READ_FILENAME),
        ArgumentKind::File => (KIND_FILE, READ_VALUE),
        ArgumentKind::Descriptor => (KIND_FILE, READ_DESCRIPTOR),
        ArgumentKind::Path => (KIND_PATH, READ_VALUE),
        ArgumentKind::Dentry => (KIND_PATH, READ_DENTRY),
        ArgumentKind::Binprm => (KIND_BINPRM, READ_VALUE),
        ArgumentKind::Sock => (KIND_SOCK, READ_VALUE),
        ArgumentKind::Socket => (KIND_SOCK, READ_SOCKET),
        ArgumentKind::Skb => (KIND_SKB, READ_VALUE),
        ArgumentKind::Sockaddr => (KIND_SOCKADDR, READ_VALUE),
        ArgumentKind::SockaddrUn => (KIND_SOCKADDR_UN, READ_VALUE),
        ArgumentKind::Cred => (KIND_CRED, READ_FIELDS),
        ArgumentKind::UserNamespace => (KIND_USER_NAMESPACE, READ_FIELDS),
        ArgumentKind::Capability => (KIND_CAPABILITY, READ_VALUE),
        ArgumentKind::KernelCap => (KIND_KERNEL_CAP, READ_POINTED),
        ArgumentKind::CapInheritable => (KIND_CAP_INHERITABLE, READ_POINTED),
        ArgumentKind::CapPermitted => (KIND_CAP_PERMITTED, READ_POINTED),
        ArgumentKind::CapEffective => (KIND_CAP_EFFECTIVE, READ_POINTED),
        ArgumentKind::Module => (KIND_MODULE, READ_FIELDS),
        ArgumentKind::LoadInfo => (KIND_LOAD_INFO, READ_FIELDS),
        ArgumentKind::BpfAttr => (KIND_BPF_ATTR, READ_FIELDS),
        ArgumentKind::BpfProg => (KIND_BPF_PROG, READ_FIELDS),
        ArgumentKind::BpfMap => (KIND_BPF_MAP, READ_FIELDS),
        ArgumentKind::PerfEvent => (KIND_PERF_EVENT, READ_FIELDS),
        ArgumentKind::BpfCmd => (KIND_BPF_CMD, READ_VALUE),
        ArgumentKind::NetDevice => (KIND_NET_DEVICE, READ_FIELDS),
        ArgumentKind::Bytes { .. } => (KIND_BYTES, READ_BUFFER),
        ArgumentKind::Iterator => (KIND_BYTES, READ_ITERATOR),
        ArgumentKind::Kiocb => (KIND_FILE, READ_KIOCB),
        ArgumentKind::DataLocation => (KIND_STRING, READ_LOCATION),
        ArgumentKind::Syscall => (KIND_SYSCALL, READ_VALUE),
    }
}

/// Which parameter has the number of a buffer's bytes; 64 bits wide unless the policy reads it as an `int`.
fn size(kind: ArgumentKind, plan: &HookPlan) -> u32 {
    let ArgumentKind::Bytes { size } = kind else { return 0 };
    let is_int = |argument: &ArgumentPlan| {
        argument.index == size && matches!(argument.kind, ArgumentKind::Int | ArgumentKind::Uint)
    };
    u32::from(size) | (SIZE_IS_INT * u32::from(plan.arguments.iter().any(is_int)))
}

/// Every selector posts, as the canaries ride on the event, unless an action is `NoPost`.
fn actions(actions: &[ActionPlan]) -> u32 {
    let bits = actions.iter().map(action_bit).fold(ACTION_POST, |all, bit| all | bit);
    if actions.contains(&ActionPlan::NoPost) { bits & !ACTION_POST } else { bits }
}

fn action_bit(action: &ActionPlan) -> u32 {
    match action {
        ActionPlan::Post | ActionPlan::NoPost | ActionPlan::GetUrl(_) | ActionPlan::DnsLookup(_) => 0,
        ActionPlan::Signal(_) => ACTION_SIGNAL,
        ActionPlan::Sigkill => ACTION_SIGKILL,
        ActionPlan::Override(_) => ACTION_OVERRIDE,
        ActionPlan::FollowDescriptor { .. } => ACTION_FOLLOW,
        ActionPlan::UnfollowDescriptor { .. } => ACTION_UNFOLLOW,
        ActionPlan::CopyDescriptor { .. } => ACTION_COPY,
        ActionPlan::Socket { action, .. } => socket_action(*action),
    }
}

fn socket_action(action: SocketAction) -> u32 {
    match action {
        SocketAction::Track => ACTION_TRACK,
        SocketAction::Untrack => ACTION_UNTRACK,
    }
}

/// The argument whose owner an action is about.
fn socket(action: &ActionPlan) -> Option<u32> {
    match action {
        ActionPlan::Socket { socket, .. } => Some(*socket as u32),
        _ => None,
    }
}

/// Whether a hook has sockets tracked.
pub(crate) fn tracks(hook: &HookPlan) -> bool {
    let mut actions = hook.selectors.iter().flat_map(|selector| &selector.actions);
    hook.return_action == Some(SocketAction::Track)
        || actions.any(|action| action_bit(action) == ACTION_TRACK)
}

/// The arguments that an action on the names of descriptors takes.
fn descriptors(actions: &[ActionPlan]) -> (u32, u32) {
    let taken = |action: &ActionPlan| match *action {
        ActionPlan::FollowDescriptor { descriptor, name } => Some((descriptor, name)),
        ActionPlan::CopyDescriptor { from, to } => Some((from, to)),
        ActionPlan::UnfollowDescriptor { descriptor } => Some((descriptor, 0)),
        _ => None,
    };
    actions.iter().find_map(taken).map_or((0, 0), |(first, second)| (first as u32, second as u32))
}

/// Whether a selector has descriptors followed, so that the others may meet their names.
pub(crate) fn follows(selector: &SelectorPlan) -> bool {
    selector.actions.iter().any(|action| action_bit(action) == ACTION_FOLLOW)
}

fn signal(action: &ActionPlan) -> Option<u32> {
    match action {
        ActionPlan::Signal(signal) => Some(*signal),
        _ => None,
    }
}

fn override_error(action: &ActionPlan) -> Option<i32> {
    match action {
        ActionPlan::Override(error) => Some(*error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_abi::config::{FIELD_TEXT, FieldConfig};
    use serin_policy::{BinaryComparison, BinaryCondition, BinaryFilter, PidFilter, PolicyPlan};

    use super::*;

    /// A kernel in which every field has eight bytes, and lies somewhere.
    fn find(structure: &str, path: &str) -> Result<Field, BtfError> {
        Ok(Field { offset: (structure.len() + path.len()) as u32, size: 8 })
    }

    fn argument(index: u8, kind: ArgumentKind) -> ArgumentPlan {
        ArgumentPlan { index, kind, label: String::new() }
    }

    fn plan(selectors: Vec<SelectorPlan>) -> HookPlan {
        HookPlan {
            target: Target::Syscall { name: "symlinkat".into(), number: 266 },
            arguments: vec![argument(2, ArgumentKind::String), argument(1, ArgumentKind::Int)],
            returns: Some(argument(0, ArgumentKind::Long)),
            return_action: None,
            selectors,
            message: String::new(),
            tags: Vec::new(),
            ignore_not_found: false,
            position: (1, 1),
        }
    }

    #[test]
    fn filters_are_ordered_by_cost_and_values_numbered() {
        let selector = SelectorPlan {
            pids: vec![PidFilter {
                membership: Membership::NotIn,
                values: vec![0, 1],
                follow_forks: true,
                in_namespace: false,
            }],
            parent_binaries: vec![BinaryFilter {
                negated: true,
                condition: BinaryCondition {
                    comparison: BinaryComparison::Prefix,
                    values: vec!["/bin/a".into(), "/unknown".into()],
                    follow_children: true,
                },
            }],
            binaries: Vec::new(),
            arguments: vec![
                ArgumentFilter {
                    slot: 0,
                    part: Part::Value,
                    negated: true,
                    test: Test::Postfix(vec![b"passwd".to_vec(), b"shadow".to_vec()]),
                },
                ArgumentFilter {
                    slot: 1,
                    part: Part::Value,
                    negated: false,
                    test: Test::IntEqual(vec![-100]),
                },
                ArgumentFilter {
                    slot: 1,
                    part: Part::Value,
                    negated: false,
                    test: Test::IntRanges(vec![3..=4]),
                },
                ArgumentFilter {
                    slot: 1,
                    part: Part::Value,
                    negated: true,
                    test: Test::IntMask(1 << 63 | 5),
                },
            ],
            identity: Vec::new(),
            rate_limit: None,
            returned: vec![ArgumentFilter {
                slot: 0,
                part: Part::Value,
                negated: false,
                test: Test::IntEqual(vec![-1]),
            }],
            actions: vec![ActionPlan::Override(-13), ActionPlan::Sigkill],
        };
        let plan = plan(vec![selector]);
        let binaries =
            Binaries::of(&[PolicyPlan { name: "p".into(), monitor: false, hooks: vec![plan.clone()] }])
                .unwrap();
        let lowered = lower(&plan, 9, &binaries, None, &find).unwrap();
        let tests: Vec<u32> = lowered.config.filters[..6].iter().map(|filter| filter.test).collect();
        let integers = [TEST_INTEGER_IN, TEST_INTEGER_RANGE, TEST_INTEGER_MASK | TEST_NOT];
        let [equal, range, mask] = integers;
        let texts = TEST_TEXT_POSTFIX | TEST_NOT;
        assert_eq!(tests, [TEST_PID_NOT_IN, TEST_BINARY_NOT_IN, equal, range, mask, texts]);
        assert_eq!(lowered.config.filters[0].slot, PID_ANCESTORS);
        assert_eq!(lowered.config.filters[1].slot, BINARY_PARENT);
        let mask = lowered.config.filters[4];
        assert_eq!((mask.values, mask.count), (5, 1 << 31));
        assert_eq!(lowered.ranges, [Range { first: 3_u64.into(), last: 4_u64.into() }]);
        let members: Vec<(u32, u64)> =
            lowered.members.iter().map(|member| (member.set, member.value)).collect();
        assert_eq!(members, [(0, 0), (0, 1), (1, -100_i64 as u64), (2, u64::MAX)]);
        assert_eq!(lowered.config.filters[5], Filter { test: texts, slot: 0, values: 0, count: 2 });
        assert_eq!(lowered.config.returned.kind, KIND_LONG);
        assert_eq!(lowered.config.return_filters[0], Filters { first: 6, count: 1 });
        assert_eq!(lowered.config.filters[6], Filter { test: equal, slot: 0, values: 2, count: 1 });
        let selector = lowered.config.selectors[0];
        assert_eq!((selector.filter_count, selector.error), (6, -13));
        assert_eq!(selector.actions, ACTION_POST | ACTION_OVERRIDE | ACTION_SIGKILL);
    }

    #[test]
    fn parts_of_sockets_are_words() {
        let filter = |part, test| ArgumentFilter { slot: 1, part, negated: true, test };
        let selector = SelectorPlan {
            arguments: vec![
                filter(Part::DAddr, Test::Addresses(vec![1 << 64..=1 << 64 | 5])),
                filter(Part::State, Test::IntEqual(vec![10])),
            ],
            actions: vec![ActionPlan::Post],
            ..SelectorPlan::default()
        };
        let plan = HookPlan {
            arguments: vec![argument(1, ArgumentKind::Int), argument(0, ArgumentKind::Sock)],
            ..plan(vec![selector])
        };
        let lowered = lower(&plan, 0, &Binaries::default(), None, &find).unwrap();
        let at = |word: u32| word << WORD_SHIFT | 1;
        let expected = [
            Filter { test: TEST_INTEGER_MASK, slot: at(network::HAS_IP), values: 1, count: 0 },
            Filter { test: TEST_ADDRESS_RANGE | TEST_NOT, slot: at(network::DADDR), values: 0, count: 1 },
            Filter { test: TEST_INTEGER_IN | TEST_NOT, slot: at(network::STATE), values: 0, count: 1 },
        ];
        assert_eq!(lowered.config.filters[..3], expected);
        let range = Range { first: Number { high: 1, low: 0 }, last: Number { high: 1, low: 5 } };
        assert_eq!(lowered.ranges, [range]);
    }

    #[test]
    fn structures_are_lists_of_fields() {
        let arguments = [ArgumentKind::BpfMap, ArgumentKind::KernelCap, ArgumentKind::NetDevice];
        let arguments = (0..).zip(arguments).map(|(index, kind)| argument(index, kind)).collect();
        let post = SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() };
        let plan = HookPlan { arguments, ..plan(vec![post]) };
        let config = lower(&plan, 0, &Binaries::default(), None, &find).unwrap().config;
        let places: Vec<_> = config.arguments[..3]
            .iter()
            .map(|argument| (argument.first_field, argument.field_count))
            .collect();
        assert_eq!(places, [(0, 5), (5, 0), (5, 1)]);
        assert_eq!(config.fields[0], FieldConfig { offset: 15, size: 8 });
        assert_eq!(config.fields[4].size, FIELD_TEXT);
    }

    #[test]
    fn limits_are_named() {
        let post = SelectorPlan { actions: vec![ActionPlan::Post], ..SelectorPlan::default() };
        let cases: [(HookPlan, &str); 3] = [
            (plan(vec![post.clone(); MAX_SELECTORS + 1]), "33 selectors, where a hook can have at most 32"),
            (
                HookPlan { arguments: vec![argument(6, ArgumentKind::Int)], ..plan(vec![post.clone()]) },
                "6 argument index, where a hook can have at most 5",
            ),
            (
                plan(vec![SelectorPlan {
                    arguments: vec![ArgumentFilter {
                        slot: 0,
                        part: Part::Value,
                        negated: false,
                        test: Test::Equal(vec![vec![b'a'; MAX_STRING + 1]]),
                    }],
                    ..post
                }]),
                "4097 bytes of a value, where a hook can have at most 4096",
            ),
        ];
        for (plan, message) in cases {
            let error = lower(&plan, 0, &Binaries::default(), None, &find).err();
            assert_eq!(error.as_deref(), Some(message));
        }
    }
}
