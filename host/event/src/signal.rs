//! Names of signals.

use std::borrow::Cow;

/// Signals 1 to 31 by number; the same on every architecture that serin runs on.
/// <https://man7.org/linux/man-pages/man7/signal.7.html>
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// `SIGKILL` for 9; `SIG34` for a real-time signal, which has no name of its own; empty for 0.
pub fn name(number: u8) -> Cow<'static, str> {
    match usize::from(number) {
        0 => Cow::Borrowed(""),
        n => NAMES.get(n - 1).map_or_else(|| Cow::Owned(format!("SIG{n}")), |name| Cow::Borrowed(*name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_signals() {
        for (number, expected) in [
            (0, ""),
            (1, "SIGHUP"),
            (9, "SIGKILL"),
            (11, "SIGSEGV"),
            (15, "SIGTERM"),
            (31, "SIGSYS"),
            (34, "SIG34"),
        ] {
            assert_eq!(name(number), expected, "signal {number}");
        }
    }
}
