//! No file makes the parser panic: valid policies, altered at random with a fixed seed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::Policy;

const POLICIES: [&str; 2] = [
    r#"apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {name: "p", labels: {a: b}}
spec:
  kprobes:
  - call: "sys_symlinkat"
    message: 'it''s a link'
    args: &args
    - {index: 0, type: string, label: target}
    - index: 1
      type: int
    selectors:
    - matchPIDs: [{operator: NotIn, values: [0, 1]}]
      matchBinaries: [{operator: In, values: [/usr/bin/ln]}]
      matchArgs:
      - {operator: Postfix, values: ["passwd\0", "\u00fc\x41"]}
      - {index: 1, operator: Equal, values: [-100, 0x10]}
      matchActions: [{action: Override, argError: -1}, {action: Sigkill}]
  - {call: sys_linkat, args: *args}
"#,
    "%YAML 1.2\n---\napiVersion: cilium.io/v1alpha1\r\nkind: TracingPolicyNamespaced\nmetadata:\n  name: >-\n    folded\n\
     spec:\n  kprobes:\n  - ? call\n    : fd_install\n    syscall: false\n    selectors:\n    - matchActions:\n      \
     - action: GetUrl\n        argUrl: |-\n          http://example.org/\n...\n---\n# empty\n",
];

/// Pieces that mean something to YAML or to the schema.
const PIECES: [&str; 26] = [
    "\0",
    "\t",
    "\r",
    "\n",
    ": ",
    "- ",
    "? ",
    "&a ",
    "*a",
    "!!",
    "|",
    ">",
    "'",
    "\"",
    "{",
    "}",
    "[",
    "]",
    "#",
    "%",
    "---\n",
    "...",
    "\u{feff}",
    "\u{2028}",
    "list:",
    "99999999999999999999",
];

/// xorshift64*, seeded.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

fn mutate(text: &mut Vec<char>, random: &mut Random) {
    let at = random.below(text.len());
    match random.below(5) {
        0 => drop(text.drain(at..(at + 1 + random.below(20)).min(text.len()))),
        1 => text.truncate(at),
        2 => {
            let piece = PIECES[random.below(PIECES.len())].chars();
            text.splice(at..at, piece);
        }
        3 => {
            let copy: Vec<_> =
                text.iter().copied().skip(random.below(text.len())).take(random.below(80)).collect();
            text.splice(at..at, copy);
        }
        _ => {
            let random_character = char::from_u32(random.below(0x3000) as u32).unwrap_or(' ');
            text.splice(at..(at + 1).min(text.len()), [random_character]);
        }
    }
}

#[test]
fn unaltered_policies_are_accepted() {
    for text in POLICIES {
        let result = Policy::parse(text, Path::new("p.yaml")).map_err(|errors| errors.to_string());
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}

#[test]
fn altered_policies_never_panic() {
    let mut random = Random(0x5e21);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut text: Vec<char> = POLICIES[round % POLICIES.len()].chars().collect();
        for _ in 0..=random.below(3) {
            mutate(&mut text, &mut random);
        }
        let text: String = text.into_iter().collect();
        match Policy::parse(&text, Path::new("p.yaml")) {
            Ok(_) => accepted += 1,
            Err(errors) => {
                refused += 1;
                assert!(!errors.to_string().is_empty(), "an error without text for {text:?}");
            }
        }
    }
    assert!(
        accepted > 200 && refused > 10_000,
        "{accepted} accepted, {refused} refused: one-sided mutations"
    );
}
