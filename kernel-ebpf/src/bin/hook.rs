//! A policy's hook, for each way of attaching one. The agent loads one of these programs.
#![no_std]
#![no_main]

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_override_return;
use aya_ebpf::macros::{btf_tracepoint, fentry, kprobe, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext, ProbeContext};
use serin_abi::selector::constant;
use serin_ebpf::arguments::Registers;
use serin_ebpf::hook::{self, HOOK_CONFIG};
use serin_ebpf::maps::SYSCALLS;
use serin_ebpf::memory::trusted;

/// Arguments of programs whose context is an array of them.
struct Array<C>(C);

impl<C: EbpfContext> Registers for Array<C> {
    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        let arguments = self.0.as_ptr().cast::<u64>();
        // The verifier wants each access to the context at an offset of its own.
        // SAFETY: the verifier checks that the function has this argument.
        unsafe {
            match index {
                0 => arguments.read_volatile(),
                1 => arguments.add(1).read_volatile(),
                2 => arguments.add(2).read_volatile(),
                3 => arguments.add(3).read_volatile(),
                4 => arguments.add(4).read_volatile(),
                5 => arguments.add(5).read_volatile(),
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

/// Arguments in the registers that a kprobe sees.
struct Probe(ProbeContext);

impl Registers for Probe {
    #[inline(always)]
    fn argument(&self, index: u32) -> u64 {
        match index {
            0 => self.0.arg(0),
            1 => self.0.arg(1),
            2 => self.0.arg(2),
            3 => self.0.arg(3),
            4 => self.0.arg(4),
            5 => self.0.arg(5),
            _ => None,
        }
        .unwrap_or(0)
    }
}

#[fentry(function = "serin")]
fn hook_fentry(ctx: FEntryContext) -> i32 {
    hook::run(&Array(ctx));
    0
}

#[kprobe]
fn hook_kprobe(ctx: ProbeContext) -> u32 {
    let registers = Probe(ctx);
    if let Some(error) = hook::run(&registers).return_error {
        // SAFETY: the context is the one this program was called with.
        unsafe { bpf_override_return(registers.0.as_ptr().cast(), i64::from(error) as u64) };
    }
    0
}

#[lsm(hook = "serin")]
fn hook_lsm(ctx: LsmContext) -> i32 {
    errno(hook::run(&Array(ctx)).result)
}

/// Called by the dispatcher; goes on in the next hook on the same system call.
#[btf_tracepoint(function = "sys_enter")]
fn hook_sys_enter(ctx: BtfTracePointContext) -> i32 {
    let registers = Array(ctx);
    hook::run(&registers);
    let next = constant(&HOOK_CONFIG.next);
    if next != 0 {
        // SAFETY: the array holds only programs of this type; an empty slot falls through.
        unsafe { SYSCALLS.tail_call(&registers.0, next) };
    }
    0
}

/// A result that LSM hooks may return, as the verifier can see.
#[inline(always)]
fn errno(result: i32) -> i32 {
    if (-4095..=0).contains(&result) { result } else { -1 }
}
