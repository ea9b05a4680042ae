//! Names of capabilities.

use serin_event::names::CAPABILITIES;

/// All names, by number. Events call the second as Tetragon does, without its prefix; policies with it.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().map(|name| if *name == "DAC_OVERRIDE" { "CAP_DAC_OVERRIDE" } else { name })
}

/// The bit of the capability with this name, written with or without `CAP_`, in either case.
pub(crate) fn bit(name: &str) -> Option<u64> {
    let name = name.to_ascii_uppercase();
    let number = names().position(|full| full == name || full.strip_prefix("CAP_") == Some(&name))?;
    Some(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_kernels() {
        for (name, number) in [
            ("CAP_CHOWN", 0),
            ("cap_net_raw", 13),
            ("SYS_ADMIN", 21),
            ("CAP_SYSLOG", 34),
            ("CAP_BPF", 39),
            ("CAP_CHECKPOINT_RESTORE", 40),
        ] {
            assert_eq!(bit(name), Some(1 << number), "{name}");
        }
        for name in ["", "CAP_", "CAP_NOTHING", "CAP_CAP_BPF"] {
            assert_eq!(bit(name), None, "{name}");
        }
    }
}
