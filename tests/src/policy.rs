//! Policies that scenarios load.

/// A policy with one hook on `symlinkat(2)`; `selectors` is YAML below `selectors:`, indented by four.
pub(crate) fn on_symlinkat(name: &str, selectors: &str) -> String {
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: {name}
spec:
  kprobes:
  - call: sys_symlinkat
    syscall: true
    args:
    - index: 0
      type: string
    - index: 1
      type: int
    - index: 2
      type: string
    selectors:
{selectors}"
    )
}

/// A policy with one hook on a kernel function that takes a file; selectors as above.
pub(crate) fn on_file(name: &str, call: &str, index: u8, selectors: &str) -> String {
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: {name}
spec:
  kprobes:
  - call: {call}
    syscall: false
    args:
    - index: {index}
      type: file
    selectors:
{selectors}"
    )
}

/// The talk's filter: links to anything whose name ends in `passwd`.
pub(crate) const PASSWD: &str = "    - matchArgs:
      - index: 0
        operator: Postfix
        values:
        - passwd
";

/// The talk's reaction.
pub(crate) const OVERRIDE_AND_KILL: &str = "      matchActions:
      - action: Override
        argError: -1
      - action: Sigkill
";
