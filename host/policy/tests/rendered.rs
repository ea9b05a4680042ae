//! How errors look to the one who has to mend them.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serin_policy::Policy;

#[test]
fn all_errors_of_a_file_are_shown_in_place() {
    let yaml = r#"apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata:
  name: "dns"
spec:
  kprobes:
  - call: "fd_install"
    args:
    - index: 0
      type: int
    - index: 1
      type: "File"
    selectors:
    - matchArgs:
      - index: 1
        operater: "Equal"
        values:
        - "/etc/passwd"
      matchActions:
      - action: DnsLookup
        argFqdn: ebpf..io
  nodeSelektor: {}
"#;
    let expected = r#"policies/dns.yaml:7:11: `fd_install` is not a system call
  |
7 |   - call: "fd_install"
  |           ^^^^^^^^^^^^
  = help: for a kernel function write `syscall: false`; it is true by default

policies/dns.yaml:12:13: `File` is not an argument type
   |
12 |       type: "File"
   |             ^^^^^^
   = help: did you mean `file`?

policies/dns.yaml:15:9: an entry of `spec.kprobes.selectors.matchArgs` has no `operator`
   |
15 |       - index: 1
   |         ^^^^^
   = help: add `operator: …`

policies/dns.yaml:16:9: `operater` is not a field of `spec.kprobes.selectors.matchArgs`
   |
16 |         operater: "Equal"
   |         ^^^^^^^^
   = help: did you mean `operator`?

policies/dns.yaml:21:18: `ebpf..io` is not a domain name: a label between dots is empty
   |
21 |         argFqdn: ebpf..io
   |                  ^^^^^^^^
   = help: write it like `abc.def.example.org`

policies/dns.yaml:22:3: `nodeSelektor` is not a field of `spec`
   |
22 |   nodeSelektor: {}
   |   ^^^^^^^^^^^^
   = help: did you mean `nodeSelector`?"#;
    let errors = Policy::parse(yaml, Path::new("policies/dns.yaml")).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn the_loader_can_point_at_a_hook() {
    let yaml = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: p}\n\
                spec: {kprobes: [{call: sys_read}]}\n";
    let [policy] = Policy::parse(yaml, Path::new("p.yaml")).unwrap().try_into().unwrap();
    let error = policy.hook_error(0, "it cannot be attached".into(), None);
    assert_eq!(
        error.to_string(),
        "p.yaml:4:25: it cannot be attached\n  |\n4 | spec: {kprobes: [{call: sys_read}]}\n  \
         |                         ^^^^^^^^"
    );
    assert_eq!(
        (policy.hook_error(1, String::new(), None).line, policy.hook_error(0, String::new(), None).line),
        (3, 4)
    );
}
