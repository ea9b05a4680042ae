//! What a policy file can say wrong, and the exact answer to it.
//!
//! The cases stand in `refused/*.txt`, with a blank line between them: YAML,
//! and after `=>` the errors as `line:column: message | help`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{Error, Policy};

/// What the YAML of a case is put behind, so that a hook starts on line 6.
const HOOKS: &str = "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: p}
spec:
  kprobes:
";

/// What stands in `spec` starts on line 5.
const SPEC: &str = "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: p}
spec:
";

const ARGUMENTS: &str = "  - call: sys_symlinkat\n";

/// Selectors start on line 11.
const SELECTORS: &str = "  - call: sys_symlinkat
    args:
    - {index: 0, type: string}
    - {index: 1, type: int}
    selectors:
";

const ACTIONS: &str = "  - call: fd_install
    syscall: false
    selectors:
";

/// The errors of a file, one a line.
fn errors(text: &str) -> String {
    let Err(errors) = Policy::parse(text, Path::new("p.yaml")) else { return "=> none\n".into() };
    let lines = errors.0.into_iter().map(|error| match error {
        Error::Invalid(error) => {
            let help = error.help.map(|help| format!(" | {help}")).unwrap_or_default();
            format!("=> {}:{}: {}{help}\n", error.line, error.column, error.message)
        }
        other => format!("=> {other}\n"),
    });
    lines.collect()
}

/// Holds every case of a file against what the parser answers; `SERIN_BLESS=1` writes the answers into it.
fn check(name: &str, start: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused").join(name);
    let expected = std::fs::read_to_string(&path).unwrap();
    let cases = expected.trim_end().split("\n\n").map(|case| {
        let yaml: String =
            case.lines().filter(|line| !line.starts_with("=> ")).map(|line| format!("{line}\n")).collect();
        format!("{yaml}{}", errors(&format!("{start}{yaml}")))
    });
    let actual = cases.collect::<Vec<_>>().join("\n");
    if std::env::var_os("SERIN_BLESS").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    for (number, (expected, actual)) in expected.lines().zip(actual.lines()).enumerate() {
        assert_eq!(actual, expected, "{name}:{}", number + 1);
    }
    assert_eq!(actual.len(), expected.len(), "{name} has another number of lines");
}

#[test]
fn documents() {
    check("documents.txt", "");
}

#[test]
fn options() {
    check("options.txt", SPEC);
}

#[test]
fn macros() {
    check("macros.txt", SPEC);
}

#[test]
fn enforcers() {
    check("enforcers.txt", SPEC);
}

#[test]
fn usdts() {
    check("usdts.txt", SPEC);
}

#[test]
fn uprobes() {
    check("uprobes.txt", SPEC);
}

#[test]
fn hooks() {
    check("hooks.txt", HOOKS);
}

#[test]
fn arguments() {
    check("arguments.txt", &format!("{HOOKS}{ARGUMENTS}"));
}

#[test]
fn selectors() {
    check("selectors.txt", &format!("{HOOKS}{SELECTORS}"));
}

#[test]
fn actions() {
    check("actions.txt", &format!("{HOOKS}{ACTIONS}"));
}
