//! Hostile files: too large, too deep, too many.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::{MAX_DEPTH, MAX_ERRORS, MAX_FILE_SIZE, MAX_NODES, MAX_TEXT, Policy};

/// The messages of all errors, without excerpts.
fn messages(text: &str) -> Vec<String> {
    let errors = Policy::parse(text, Path::new("p.yaml")).unwrap_err();
    errors.0.iter().map(|error| error.to_string().lines().next().unwrap_or_default().to_owned()).collect()
}

/// Line `n` refers `width` times to line `n - 1`.
fn bomb(start: &str, levels: usize, width: usize) -> String {
    let mut text = format!("l0: &l0 {start}\n");
    for level in 1..=levels {
        let alias = format!("*l{}, ", level - 1);
        text += &format!("l{level}: &l{level} [{}]\n", alias.repeat(width));
    }
    text
}

#[test]
fn alias_bombs_are_defused() {
    let too_much = format!(
        "with its aliases expanded, the file has more than {MAX_NODES} values or {MAX_TEXT} bytes of text"
    );
    let large = "x".repeat(100_000);
    for text in [bomb("[a, b]", 9, 10), bomb(&large, 1, 1000), bomb(&large, 9, 9)] {
        let [found] = messages(&text).try_into().unwrap();
        assert!(found.ends_with(&too_much), "{found}");
    }
}

#[test]
fn nesting_is_limited_with_and_without_aliases() {
    let too_deep = format!("nested more than {MAX_DEPTH} levels deep");
    let column = MAX_DEPTH + 1;
    assert_eq!(messages(&"[".repeat(100)), [format!("p.yaml:1:{column}: {too_deep}")]);
    // The scanner, which runs ahead of the parser, has a limit of its own.
    assert_eq!(messages(&"[".repeat(100_000)), ["p.yaml:1:256: not valid YAML: recursion limit exceeded"]);
    assert_eq!(messages(&"- ".repeat(100_000)), [format!("p.yaml:1:{}: {too_deep}", 2 * MAX_DEPTH + 1)]);
    let chain = messages(&bomb("x", 2 * MAX_DEPTH, 1));
    assert_eq!(chain, [format!("p.yaml:{}:{}: {too_deep}", MAX_DEPTH + 1, "l32: &l32 [".len() + 1)]);
}

#[test]
fn files_are_limited_in_size() {
    let text = "#".repeat(MAX_FILE_SIZE + 1);
    let expected = format!("p.yaml: larger than {MAX_FILE_SIZE} bytes; split it into several files");
    assert_eq!(messages(&text), [expected]);
    assert_eq!(messages(&text[1..]), ["p.yaml:1:1: there is no policy in this file"]);
}

#[test]
fn errors_beyond_the_limit_are_counted() {
    let start =
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec:\n  kprobes:\n";
    let found = messages(&format!("{start}{}", "  - {call: x, y: z}\n".repeat(10_000)));
    assert_eq!(found.len(), MAX_ERRORS + 1);
    assert_eq!(found[MAX_ERRORS], format!("p.yaml: {} more errors like these", 20_000 - MAX_ERRORS));
}

#[test]
fn values_are_limited_in_length() {
    let start =
        "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\nspec:\n  kprobes:\n";
    let filter = |operator: &str, length: usize| {
        format!(
            "  - call: sys_symlinkat\n    args: [{{index: 0, type: string}}]\n    selectors:\n    - matchArgs:\n      \
             - {{operator: {operator}, values: [{}]}}\n",
            "v".repeat(length)
        )
    };
    let binary = |length: usize| {
        format!(
            "  - call: sys_read\n    selectors:\n    - matchBinaries:\n      - {{operator: In, values: [/{}]}}\n",
            "b".repeat(length - 1)
        )
    };
    let expression = |terms: usize| {
        format!(
            "  - call: sys_dup\n    args: [{{index: 0, type: int}}]\n    selectors:\n    - matchArgs:\n      \
             - {{operator: CelExpr, values: ['arg0 {} == arg0']}}\n",
            "+ arg0 ".repeat(terms)
        )
    };
    let message = |length| format!("  - {{call: sys_read, message: {}}}\n", "m".repeat(length));
    let tag = |length| format!("  - {{call: sys_read, tags: [{}]}}\n", "t".repeat(length));
    let tags = |count| format!("  - {{call: sys_read, tags: [{}]}}\n", "tag, ".repeat(count));
    let name = |length| {
        format!(
            "  - {{call: sys_read}}\n---\napiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\n\
             metadata: {{name: {}}}\nspec: {{kprobes: [{{call: sys_read}}]}}\n",
            "n".repeat(length)
        )
    };
    for (yaml, expected) in [
        (filter("Equal", 4095), None),
        (filter("Equal", 4096), Some("this value has 4096 bytes; at most 4095 are compared".into())),
        (filter("Postfix", 4096), Some("this value has 4096 bytes; at most 4095 are compared".into())),
        (expression(126), None),
        (expression(127), Some("it has more than 256 numbers, arguments and operators".into())),
        (expression(600), Some("this expression has 4213 bytes; at most 4095 are read".into())),
        (binary(4095), None),
        (binary(4096), Some("this path has 4096 bytes; paths of binaries have at most 4095".into())),
        (message(256), None),
        (message(257), Some("`spec.kprobes.message` must have 2 to 256 bytes, not 257".into())),
        (tag(128), None),
        (tag(129), Some("a tag must have 2 to 128 bytes, not 129".into())),
        (tags(16), None),
        (tags(17), Some("`spec.kprobes.tags` has more than 16 tags".into())),
        (name(253), None),
        (name(254), Some(format!("`{}…` cannot be a policy's name", "n".repeat(60)))),
    ] {
        let actual = Policy::parse(&format!("{start}{yaml}"), Path::new("p.yaml")).err();
        let actual = actual.map(|errors| errors.to_string().lines().next().unwrap_or_default().to_owned());
        let message = actual.as_deref().and_then(|line| line.splitn(4, ':').nth(3)).map(str::trim_start);
        assert_eq!(message, expected.as_deref());
    }
}
