//! Where programs of each type find the arguments of what they are attached to.

use core::ffi::c_void;
use core::mem::offset_of;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::pt_regs;
use aya_ebpf::programs::{ProbeContext, RetProbeContext, TracePointContext};

use crate::arguments::Registers;
use crate::memory::{pointer, trusted};
use crate::{context, task};

/// Arguments of programs whose context is an array of them.
pub struct Array<C>(pub C);

impl<C: EbpfContext> Registers for Array<C> {
    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with; the verifier checks that the function has
        // this argument.
        unsafe {
            match index {
                0 => context::word::<0>(context),
                1 => context::word::<8>(context),
                2 => context::word::<16>(context),
                3 => context::word::<24>(context),
                4 => context::word::<32>(context),
                5 => context::word::<40>(context),
                _ => 0,
            }
        }
    }

    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        // SAFETY: the verifier knows the argument as a `struct pt_regs *` and checks the offset.
        unsafe { trusted(self.argument(0), offset) }
    }
}

/// The same, of an LSM hook, behind which a program may come that hashes a file.
pub struct Hashing<C>(pub Array<C>);

impl<C: EbpfContext> Registers for Hashing<C> {
    const HASHES: bool = true;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.context()
    }

    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        self.0.argument(index)
    }

    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        self.0.user_register(offset)
    }
}

/// Arguments in the registers that a kprobe, or in a program a uprobe, sees.
pub struct Probe<const IN_PROGRAM: bool, const MAY_SLEEP: bool = false>(pub ProbeContext);

impl<const IN_PROGRAM: bool, const MAY_SLEEP: bool> Registers for Probe<IN_PROGRAM, MAY_SLEEP> {
    const IN_PROGRAM: bool = IN_PROGRAM;
    const MAY_SLEEP: bool = MAY_SLEEP;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with.
        unsafe {
            match index {
                0 => context::word::<{ offset_of!(pt_regs, rdi) }>(context),
                1 => context::word::<{ offset_of!(pt_regs, rsi) }>(context),
                2 => context::word::<{ offset_of!(pt_regs, rdx) }>(context),
                3 => context::word::<{ offset_of!(pt_regs, rcx) }>(context),
                4 => context::word::<{ offset_of!(pt_regs, r8) }>(context),
                5 => context::word::<{ offset_of!(pt_regs, r9) }>(context),
                _ => 0,
            }
        }
    }

    #[inline(always)]
    fn register(&self, offset: u32) -> u64 {
        pointer(self.0.as_ptr() as u64 + u64::from(offset))
    }

    #[inline(always)]
    fn numbered_register(&self, number: u32) -> u64 {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with.
        unsafe {
            match number {
                1 => context::word::<{ offset_of!(pt_regs, rax) }>(context),
                2 => context::word::<{ offset_of!(pt_regs, rbx) }>(context),
                3 => context::word::<{ offset_of!(pt_regs, rcx) }>(context),
                4 => context::word::<{ offset_of!(pt_regs, rdx) }>(context),
                5 => context::word::<{ offset_of!(pt_regs, rsi) }>(context),
                6 => context::word::<{ offset_of!(pt_regs, rdi) }>(context),
                7 => context::word::<{ offset_of!(pt_regs, rbp) }>(context),
                8 => context::word::<{ offset_of!(pt_regs, rsp) }>(context),
                9 => context::word::<{ offset_of!(pt_regs, r8) }>(context),
                10 => context::word::<{ offset_of!(pt_regs, r9) }>(context),
                11 => context::word::<{ offset_of!(pt_regs, r10) }>(context),
                12 => context::word::<{ offset_of!(pt_regs, r11) }>(context),
                13 => context::word::<{ offset_of!(pt_regs, r12) }>(context),
                14 => context::word::<{ offset_of!(pt_regs, r13) }>(context),
                15 => context::word::<{ offset_of!(pt_regs, r14) }>(context),
                16 => context::word::<{ offset_of!(pt_regs, r15) }>(context),
                17 => context::word::<{ offset_of!(pt_regs, rip) }>(context),
                _ => 0,
            }
        }
    }
}

impl Probe<true> {
    /// Sets the lowest `size` bytes of the register with this number, where the program goes on.
    #[inline(always)]
    pub fn set_register(&self, number: u32, size: u32, value: u64) {
        let context = self.0.as_ptr();
        // SAFETY: the context is the one this program was called with, and it is a uprobe.
        unsafe {
            match number {
                1 => context::set::<{ offset_of!(pt_regs, rax) }>(context, size, value),
                2 => context::set::<{ offset_of!(pt_regs, rbx) }>(context, size, value),
                3 => context::set::<{ offset_of!(pt_regs, rcx) }>(context, size, value),
                4 => context::set::<{ offset_of!(pt_regs, rdx) }>(context, size, value),
                5 => context::set::<{ offset_of!(pt_regs, rsi) }>(context, size, value),
                6 => context::set::<{ offset_of!(pt_regs, rdi) }>(context, size, value),
                7 => context::set::<{ offset_of!(pt_regs, rbp) }>(context, size, value),
                8 => context::set::<{ offset_of!(pt_regs, rsp) }>(context, size, value),
                9 => context::set::<{ offset_of!(pt_regs, r8) }>(context, size, value),
                10 => context::set::<{ offset_of!(pt_regs, r9) }>(context, size, value),
                11 => context::set::<{ offset_of!(pt_regs, r10) }>(context, size, value),
                12 => context::set::<{ offset_of!(pt_regs, r11) }>(context, size, value),
                13 => context::set::<{ offset_of!(pt_regs, r12) }>(context, size, value),
                14 => context::set::<{ offset_of!(pt_regs, r13) }>(context, size, value),
                15 => context::set::<{ offset_of!(pt_regs, r14) }>(context, size, value),
                16 => context::set::<{ offset_of!(pt_regs, r15) }>(context, size, value),
                17 => context::set::<{ offset_of!(pt_regs, rip) }>(context, size, value),
                _ => {}
            }
        }
    }
}

/// A system call's function that returns, as a kretprobe sees it: its arguments are where the program left them.
pub struct Returning(pub RetProbeContext);

impl Registers for Returning {
    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, _: u32) -> u64 {
        0
    }

    #[inline(always)]
    fn user_register(&self, offset: u64) -> u64 {
        // SAFETY: the verifier knows the address as a `struct pt_regs *` and checks the offset.
        unsafe { trusted(task::user_registers(), offset) }
    }
}

/// The record of a tracepoint.
pub struct Record(pub TracePointContext);

impl Registers for Record {
    const IN_RECORD: bool = true;

    #[inline(always)]
    fn context(&self) -> *mut c_void {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn argument(&self, offset: u32) -> u64 {
        pointer(self.address(offset))
    }

    #[inline(always)]
    fn address(&self, offset: u32) -> u64 {
        self.0.as_ptr() as u64 + u64::from(offset)
    }
}
