//! A hook on a place in a program or library. Its functions are called as the kernel's are.
#![no_std]
#![no_main]

use aya_ebpf::macros::{uprobe, uretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use serin_abi::config::{Assignment, MAX_ASSIGNMENTS};
use serin_ebpf::assignments::assign;
use serin_ebpf::contexts::Probe;
use serin_ebpf::returns::Returned;
use serin_ebpf::{fault_in, hook, returns};

/// What `Override` sets, of all selectors; set by the agent.
#[unsafe(no_mangle)]
static ASSIGNMENTS: [Assignment; MAX_ASSIGNMENTS] = {
    // SAFETY: every field is an integer.
    unsafe { core::mem::zeroed() }
};

#[uprobe]
fn hook_uprobe(ctx: ProbeContext) -> u32 {
    let registers = Probe::<true>(ctx);
    let outcome = hook::run(&registers, hook::this_hook().hook);
    if outcome.assignments != 0 {
        assign(&ASSIGNMENTS, outcome.assignments, &registers);
    }
    0
}

/// Comes before the other, if what it reads is in the memory of the program.
#[uprobe(sleepable)]
fn hook_uprobe_fault_in(ctx: ProbeContext) -> u32 {
    fault_in::run(&Probe::<true, true>(ctx));
    0
}

#[uretprobe]
fn hook_uretprobe(ctx: RetProbeContext) -> u32 {
    returns::run(&Returned, hook::this_hook().hook, ctx.ret());
    0
}
