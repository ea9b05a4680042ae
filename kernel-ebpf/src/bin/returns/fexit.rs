//! When a kernel function returns, by a trampoline.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_func_ret;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use serin_ebpf::contexts::Array;
use serin_ebpf::{hook, returns};

#[fexit(function = "serin")]
fn hook_fexit(ctx: FExitContext) -> i32 {
    let mut value = 0;
    // SAFETY: the context is the one this program was called with, and the value is there to be written.
    if unsafe { bpf_get_func_ret(ctx.as_ptr(), &raw mut value) } == 0 {
        returns::run(&Array(ctx), hook::this_hook().hook, value);
    }
    0
}
