//! Refuses marked tasks at an LSM hook, and clears their marks. The agent loads
//! `deny` once an LSM hook, and `clear` once a system call.
#![no_std]
#![no_main]

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::macros::{fexit, lsm};
use aya_ebpf::programs::{FExitContext, LsmContext};
use serin_abi::selector::constant;
use serin_ebpf::maps::MARKS;

/// The bit of this LSM hook in marks; set by the agent.
#[unsafe(no_mangle)]
static POINT: u64 = 0;

#[lsm(hook = "serin")]
fn deny(_: LsmContext) -> i32 {
    // SAFETY: a task's mark is only written by the task itself.
    match unsafe { MARKS.get(bpf_get_current_pid_tgid()) } {
        Some(mark) if mark.points & constant(&POINT) != 0 => {
            if (-4095..0).contains(&mark.error) {
                mark.error
            } else {
                -1
            }
        }
        _ => 0,
    }
}

#[fexit(function = "serin")]
fn clear(_: FExitContext) -> i32 {
    // Most calls were not marked: that there is nothing to remove is no error.
    let _ = MARKS.remove(bpf_get_current_pid_tgid());
    0
}
