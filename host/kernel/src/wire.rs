//! The shared structs, as aya and the record decoder need them.
#![allow(unsafe_code, reason = "the one place that vouches for the layout of the shared structs")]

use serin_abi::binaries::{BinaryTable, Pattern};
use serin_abi::config::{Assignment, HookConfig, MAX_ASSIGNMENTS};
use serin_abi::identity::Origin;
use serin_abi::network::{Packet, Sock, Tuple};
use serin_abi::record::{Argument, Exec, Exit, Fork, Header, Hit};
use serin_abi::workload::Cgroup;
use serin_abi::{
    BinarySets, Call, CpuCounters, EnforcedCall, HookCounters, Mark, Member, Offsets, Process, Range,
    SelectorCounters, Sharer, Text,
};

/// A struct that both sides share, in the form aya asks for.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Wire<T>(pub(crate) T);

/// Structs of `serin-abi`, `repr(C)`, integers only, no padding; and integers.
///
/// # Safety
/// Any bytes must be a valid value, and every byte of a value initialised.
pub(crate) unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($shared:ty),* $(,)?) => {
        $(
            // SAFETY: repr(C), made of integers only, its size is the sum of its fields' sizes.
            unsafe impl Plain for $shared {}
        )*
    };
}

plain!(HookConfig, Offsets, Process, Member, Range, Text, Mark, Sharer, CpuCounters, HookCounters);
plain!(SelectorCounters, Call, u32, Origin, BinarySets, BinaryTable, Pattern);
plain!(Header, Exec, Fork, Exit, Hit, Argument);
plain!(Tuple, Sock, Packet, Cgroup, EnforcedCall, u64, [Assignment; MAX_ASSIGNMENTS]);

// SAFETY: `Wire` is transparent, and `Plain` asks for what `Pod` asks for.
unsafe impl<T: Plain> aya::Pod for Wire<T> {}

/// All zeros: a valid value of every shared struct.
pub(crate) fn zeroed<T: Plain>() -> T {
    // SAFETY: any bytes are a valid value.
    unsafe { std::mem::zeroed() }
}

/// Reads a struct at `at`; `None` if the bytes end before it does.
pub(crate) fn read<T: Plain>(bytes: &[u8], at: usize) -> Option<T> {
    let bytes = bytes.get(at..at.checked_add(size_of::<T>())?)?;
    // SAFETY: there are as many bytes as the struct has, and any bytes are a valid value.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}
