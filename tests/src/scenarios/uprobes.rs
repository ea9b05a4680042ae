//! Uprobes: hooks in programs and libraries.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("uprobes::a_symbol_of_a_library", symbol),
        scenario("uprobes::an_offset_and_an_address", offset),
        scenario("uprobes::what_a_function_returns", returned),
        scenario("uprobes::a_process_is_killed", killed),
        scenario("uprobes::what_arguments_lead_to", resolved),
        scenario("uprobes::shipped_policy", shipped),
        scenario("uprobes::what_the_program_lacks_is_refused", refused),
    ]
}

/// A policy on the C library; the fields of the uprobe are YAML.
fn policy(fields: &str) -> Result<String> {
    Ok(format!(
        "apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: uprobes}}
spec:
  uprobes:
  - path: {}
    message: called
{fields}",
        c_library()?
    ))
}

/// The path of the C library that this program, and so its triggers, uses.
pub(super) fn c_library() -> Result<String> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let found = paths.into_iter().find(|path| path.contains("/libc.so") || path.contains("/libc-"));
    found.map(String::from).context("this program uses no C library")
}

fn is_hit(event: &Value, pid: u32) -> bool {
    event["process_uprobe"]["process"]["pid"] == pid
}

const ON_ATOI: &str = "    symbols: [atoi]
    args: [{index: 0, type: string, label: text}]
    selectors:
    - matchArgs: [{index: 0, operator: Prefix, values: ['47']}]
";

fn symbol(_: &Kernel) -> Result<()> {
    let mut agent = Setup::new()?.policy(&policy(ON_ATOI)?)?.start()?;
    let missed = trigger::parse_number("12")?;
    let ended = trigger::parse_number("4711")?;
    let event = agent.wait_for("atoi", |event| is_hit(event, ended.pid))?;
    let hit = &event["process_uprobe"];
    ensure!(hit["path"] == *c_library()? && hit["symbol"] == "atoi", "place: {event}");
    ensure!(hit["policy_name"] == "uprobes" && hit["message"] == "called", "policy: {event}");
    ensure!(hit["action"] == "KPROBE_ACTION_POST", "action: {event}");
    ensure!(hit["args"] == json!([{ "string_arg": "4711", "label": "text" }]), "args: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "another text was reported");
    agent.stop()?;
    Ok(())
}

/// The offset in the C library's file, and the address, of a function that it defines.
pub(super) fn place_of(function: &str) -> Result<(u64, u64)> {
    use object::{Object, ObjectSegment, ObjectSymbol};
    let file = std::fs::read(c_library()?)?;
    let library = object::File::parse(&*file)?;
    let symbol =
        library.dynamic_symbols().find(|symbol| symbol.name() == Ok(function) && symbol.is_definition());
    let address = symbol.with_context(|| format!("no {function}"))?.address();
    let segment =
        library.segments().find(|part| (part.address()..part.address() + part.size()).contains(&address));
    let segment = segment.context("the function is in no segment")?;
    Ok((address - segment.address() + segment.file_range().0, address))
}

fn offset(_: &Kernel) -> Result<()> {
    let (offset, address) = place_of("atoi")?;
    for (way, number) in [("offsets", offset), ("addrs", address)] {
        let fields = format!("    {way}: [{number:#x}]\n    args: [{{index: 0, type: string}}]\n");
        let mut agent = Setup::new()?.policy(&policy(&fields)?)?.start()?;
        let ended = trigger::parse_number("4711")?;
        let event = agent.wait_for(way, |event| is_hit(event, ended.pid))?;
        let hit = &event["process_uprobe"];
        let expected = json!(number.to_string());
        ensure!(hit["offset"] == expected && hit["symbol"].is_null(), "place: {event}");
        ensure!(hit["args"] == json!([{ "string_arg": "4711" }]), "args: {event}");
        agent.stop()?;
    }
    Ok(())
}

fn returned(_: &Kernel) -> Result<()> {
    let fields = "    symbols: [atoi]
    args: [{index: 0, type: string}]
    return: true
    returnArg: {index: 0, type: int, label: number}
    selectors:
    - matchReturnArgs: [{operator: GT, values: [4000]}]
";
    let mut agent = Setup::new()?.policy(&policy(fields)?)?.start()?;
    let missed = trigger::parse_number("12")?;
    let ended = trigger::parse_number("4711")?;
    let event = agent.wait_for("atoi", |event| is_hit(event, ended.pid))?;
    let hit = &event["process_uprobe"];
    ensure!(hit["args"] == json!([{ "string_arg": "4711" }]), "args: {event}");
    ensure!(hit["return"] == json!({ "int_arg": 4711, "label": "number" }), "return: {event}");
    agent.settle()?;
    ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "a smaller number was reported");
    agent.stop()?;
    Ok(())
}

fn killed(_: &Kernel) -> Result<()> {
    let fields = format!("{ON_ATOI}      matchActions: [{{action: Sigkill}}]\n");
    let mut agent = Setup::new()?.policy(&policy(&fields)?)?.start()?;
    let (spared, killed) = (trigger::parse_number("12")?, trigger::parse_number("4711")?);
    ensure!(spared.errno == Some(0), "another was killed: {spared:?}");
    ensure!(killed.signal() == Some(libc::SIGKILL), "it was not killed: {killed:?}");
    let event = agent.wait_for("atoi", |event| is_hit(event, killed.pid))?;
    ensure!(event["process_uprobe"]["action"] == "KPROBE_ACTION_SIGKILL", "action: {event}");
    agent.stop()?;
    Ok(())
}

/// The C library's debugging information is not installed, and its types are written out.
fn resolved(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let types = folder.path().join("tm.btf").to_string_lossy().into_owned();
    std::fs::write(&types, crate::btf::of_time())?;
    let fields = format!(
        "    symbols: [mktime]
    btfPath: {types}
    args:
    - {{index: 0, type: int, btfType: tm, resolve: tm_mday}}
    - {{index: 0, type: string, BTFType: tm, resolve: tm_zone, label: zone}}
    - {{index: 0, type: int64, btfType: tm, resolve: tm_gmtoff}}
    - {{index: 0, type: int, btfType: tm, resolve: '[1].tm_sec'}}
    selectors:
    - matchArgs: [{{args: [1], operator: Equal, values: [XYZ]}}, {{index: 0, operator: LT, values: [20]}}]
    - matchArgs: [{{index: 0, operator: Equal, values: [30]}}]
"
    );
    let mut agent = Setup::new()?.policy(&policy(&fields)?)?.start()?;
    let missed = [trigger::make_time(17, "ABC")?, trigger::make_time(27, "XYZ")?];
    let (ended, without) = (trigger::make_time(17, "XYZ")?, trigger::make_time(30, "")?);
    let event = agent.wait_for("mktime", |event| is_hit(event, ended.pid))?;
    let arguments = &event["process_uprobe"]["args"];
    ensure!(arguments[0] == json!({ "int_arg": 17 }), "day: {event}");
    ensure!(arguments[1] == json!({ "string_arg": "XYZ", "label": "zone" }), "zone: {event}");
    ensure!(arguments[2] == json!({ "long_arg": "-7200" }), "offset: {event}");
    ensure!(arguments[3]["int_arg"].is_number(), "what is behind it: {event}");
    let event = agent.wait_for("mktime without a zone", |event| is_hit(event, without.pid))?;
    ensure!(event["process_uprobe"]["args"][1]["error_arg"].is_object(), "no zone: {event}");
    agent.settle()?;
    for missed in missed {
        ensure!(!agent.events.iter().any(|event| is_hit(event, missed.pid)), "reported as well: {missed:?}");
    }
    agent.stop()?;
    Ok(())
}

fn shipped(_: &Kernel) -> Result<()> {
    let yaml = std::fs::read_to_string(crate::root().join("policies/uprobes/getaddrinfo.yaml"))?;
    let yaml = yaml.replace("/lib/x86_64-linux-gnu/libc.so.6", &c_library()?);
    let mut agent = Setup::new()?.policy(&yaml)?.start()?;
    let ended = trigger::look_up("127.0.0.9")?;
    let event = agent.wait_for("getaddrinfo", |event| is_hit(event, ended.pid))?;
    let name = json!([{ "string_arg": "127.0.0.9", "label": "name" }]);
    ensure!(event["process_uprobe"]["args"] == name, "args: {event}");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let absent = policy("    symbols: [atoi]\n")?.replace(&c_library()?, "/no/such/program");
    let lead = |fields: &str| policy(&format!("    symbols: [atoi]\n{fields}"));
    let resolve = "    args: [{index: 0, type: int, btfType: tm, resolve: tm_mday}]\n";
    for (yaml, words) in [
        (lead(resolve)?, ["policy-0.yaml:9:56:", "add `btfPath: …` to the hook"]),
        (
            lead(&format!("    btfPath: /bin/sh\n{resolve}"))?,
            ["policy-0.yaml:9:14:", "cannot read types from `/bin/sh`: an ELF file without a section `.BTF`"],
        ),
        (policy("    symbols: [atio]\n")?, ["policy-0.yaml:8:", "has no function `atio`"]),
        (policy("    symbols: [pthread_craete]\n")?, ["policy-0.yaml:8:", "did you mean `pthread_create`?"]),
        (policy("    offsets: [0]\n")?, ["policy-0.yaml:8:", "has no code at the offset 0x0"]),
        (absent, ["policy-0.yaml:8:", "cannot hook `/no/such/program`: No such file"]),
    ] {
        let log = Setup::new()?.policy(&yaml)?.refusal()?;
        for word in words {
            ensure!(log.contains(word), "the message lacks {word:?}:\n{log}");
        }
    }
    Ok(())
}
