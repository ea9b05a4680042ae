//! Which operators compare which types: every pair is either read or refused, by this table.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use serde_json::Value;
use serin_policy::{Policy, json_schema};

const NUMBERS: &[&str] = &[
    "Equal",
    "NotEqual",
    "GT",
    "GreaterThan",
    "LT",
    "LessThan",
    "Mask",
    "InMap",
    "NotInMap",
    "InRange",
    "NotInRange",
    "CelExpr",
];
const TEXTS: &[&str] =
    &["Equal", "NotEqual", "Prefix", "NotPrefix", "Postfix", "NotPostfix", "SubString", "SubStringIgnCase"];
const FILES: &[&str] = &["FileType", "NotFileType"];
const SOURCE: &[&str] =
    &["SAddr", "NotSAddr", "SPort", "NotSPort", "SPortPriv", "NotSportPriv", "NotSPortPriv"];
const DESTINATION: &[&str] = &["DAddr", "NotDAddr", "DPort", "NotDPort", "DPortPriv", "NotDPortPriv"];

/// The operators of each type.
const TABLE: &[(&str, &[&[&str]])] = &[
    (
        "int8 sint8 uint8 int16 sint16 uint16 int int32 sint32 uint32 long int64 sint64 ulong uint64 size_t \
         capability bpf_cmd syscall64",
        &[NUMBERS],
    ),
    ("kernel_cap_t cap_inheritable cap_permitted cap_effective", &[NUMBERS, &["CapabilitiesGained"]]),
    ("string filename char_buf char_iovec iov_iter net_device data_loc const_buf", &[TEXTS]),
    ("file fd path dentry linux_binprm kiocb", &[TEXTS, FILES]),
    ("sock socket", &[SOURCE, DESTINATION, &["Protocol", "Family", "State"]]),
    ("skb", &[SOURCE, DESTINATION, &["Protocol", "Family"]]),
    ("sockaddr", &[SOURCE, &["Family"]]),
    ("sockaddr_un", &[TEXTS, &["Family"]]),
    ("cred user_namespace module load_info bpf_attr bpf_prog bpf_map perf_event nop auto", &[]),
];

/// Some of these are values of any operator.
const VALUES: [&str; 9] = [
    "values: [arg0 == arg1]",
    "values: [1]",
    "values: ['1:2']",
    "values: [/a]",
    "values: [127.0.0.1]",
    "values: [AF_INET]",
    "values: [reg]",
    "values: [TCP_LISTEN]",
    "args: [0, 1]",
];

/// The words of the schema's list that this one is in.
fn words(schema: &Value, known: &str) -> Option<Vec<String>> {
    match schema {
        Value::Object(fields) => {
            let own = fields.get("enum").and_then(Value::as_array);
            let own = own.filter(|words| words.iter().any(|word| word == known));
            own.map(|words| words.iter().filter_map(|word| Some(word.as_str()?.to_owned())).collect())
                .or_else(|| fields.values().find_map(|value| words(value, known)))
        }
        Value::Array(values) => values.iter().find_map(|value| words(value, known)),
        _ => None,
    }
}

fn is_read(kind: &str, operator: &str) -> bool {
    let size = if matches!(kind, "char_buf" | "char_iovec") { ", sizeArgIndex: 2" } else { "" };
    let place = match kind {
        "data_loc" | "const_buf" | "syscall64" => "tracepoints: [{subsystem: raw_syscalls, event: sys_enter",
        _ => "kprobes: [{call: f, syscall: false",
    };
    let policy = |filter: &str| {
        format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{{place}, args: [\
             {{index: 0, type: {kind}{size}}}, {{index: 1, type: {kind}{size}}}], selectors: [{{matchArgs: [\
             {{{filter}, operator: {operator}}}]}}]}}]}}}}"
        )
    };
    let mut filters = VALUES.iter().map(|values| match values.starts_with("args") {
        true => (*values).to_owned(),
        false => format!("index: 0, {values}"),
    });
    filters.any(|filter| Policy::parse(&policy(&filter), Path::new("p.yaml")).is_ok())
        || Policy::parse(&policy("index: 0"), Path::new("p.yaml")).is_ok()
}

#[test]
fn every_pair_of_type_and_operator_is_read_or_refused_as_the_table_says() {
    let schema = json_schema();
    let (types, operators) =
        (words(&schema, "linux_binprm").unwrap(), words(&schema, "NotFileType").unwrap());
    let mut wrong = Vec::new();
    for kind in &types {
        let row = TABLE.iter().find(|(kinds, _)| kinds.split_whitespace().any(|known| known == kind));
        let Some((_, expected)) = row else {
            wrong.push(format!("`{kind}` is missing in the table"));
            continue;
        };
        for operator in &operators {
            let expected = expected.concat().contains(&operator.as_str());
            if is_read(kind, operator) != expected {
                wrong.push(format!("`{operator}` of `{kind}`: expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
