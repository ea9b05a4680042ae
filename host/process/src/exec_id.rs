//! Names of program images.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `exec_id`: base64 of `node:time:pid`, with the boot time of the exec (of the fork, if there was none).
pub(crate) fn exec_id(node_name: &str, time: u64, pid: u32) -> String {
    STANDARD.encode(format!("{node_name}:{time}:{pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_tetragons() {
        assert_eq!(
            exec_id("gke-john-632-default-pool-7041cac0-9s95", 13_548_674_321_373, 52_699),
            "Z2tlLWpvaG4tNjMyLWRlZmF1bHQtcG9vbC03MDQxY2FjMC05czk1OjEzNTQ4Njc0MzIxMzczOjUyNjk5"
        );
    }
}
