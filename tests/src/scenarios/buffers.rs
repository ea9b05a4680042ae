//! Arguments that are bytes, and strings at the sizes where something could go wrong.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("buffers::bytes_are_compared", bytes),
        scenario("buffers::bytes_at_every_size", sizes_of_bytes),
        scenario("buffers::scattered_bytes_are_gathered", segments),
        scenario("buffers::scattered_bytes_at_their_limits", limits_of_segments),
        scenario("buffers::strings_at_every_size", sizes_of_strings),
        scenario("buffers::empty_strings_are_compared", empty),
        scenario("buffers::kinds_of_files", file_types),
        scenario("buffers::what_goes_into_a_pipe", pipe).needs(Kernel::function_hooks),
    ]
}

/// A policy with one hook; `arguments` and `filters` are YAML lists in a line.
fn policy(name: &str, call: &str, arguments: &str, filters: &str) -> String {
    let syscall = call.starts_with("sys_");
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: {name}}}
spec:
  kprobes:
  - call: {call}
    syscall: {syscall}
    args: {arguments}
    selectors:
    - matchArgs: {filters}
"
    )
}

/// The names of the policies that reported a process.
fn policies_of(agent: &Agent, pid: u32) -> BTreeSet<String> {
    let name = |hit: &&Value| hit["policy_name"].as_str().map(str::to_owned);
    agent.hits_of(pid).iter().filter_map(name).collect()
}

/// Starts an agent with a policy for each filter, named by its number.
fn agent_with(call: &str, arguments: &str, filters: &[(&str, bool)]) -> Result<Agent> {
    let mut setup = Setup::new()?;
    for (number, (filter, _)) in filters.iter().enumerate() {
        setup =
            setup.policy(&policy(&format!("case-{number}"), call, arguments, &format!("[{{{filter}}}]")))?;
    }
    setup.start()
}

fn check_cases(agent: &Agent, pid: u32, cases: &[(&str, bool)]) -> Result<()> {
    let matched = policies_of(agent, pid);
    for (number, (filter, expected)) in cases.iter().enumerate() {
        let found = matched.contains(&format!("case-{number}"));
        ensure!(found == *expected, "`{filter}`: matched is {found}");
    }
    Ok(())
}

const WRITTEN: &str = "[{index: 1, type: char_buf, sizeArgIndex: 3}]";

fn bytes(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file").to_string_lossy().into_owned();
    std::fs::write(&path, "text")?;
    // The trigger writes `more` to the file, then `0` and a newline to its output.
    let cases = [
        ("index: 1, operator: Equal, values: [more]", true),
        (r#"index: 1, operator: Equal, values: ["more\0"]"#, false),
        ("index: 1, operator: Equal, values: [mor, moree]", false),
        ("index: 1, operator: Prefix, values: [less, mo]", true),
        ("index: 1, operator: Prefix, values: [ore]", false),
        ("index: 1, operator: Postfix, values: [re]", true),
        ("index: 1, operator: Postfix, values: [mor]", false),
        ("index: 1, operator: SubString, values: [or]", true),
        ("index: 1, operator: SubString, values: [ro]", false),
        (r#"index: 1, operator: NotEqual, values: [more, "0\n"]"#, false),
        ("index: 1, operator: NotPrefix, values: [more]", true),
    ];
    let mut agent = agent_with("sys_write", WRITTEN, &cases)?;
    let ended = trigger::write(&path)?;
    agent.settle()?;
    check_cases(&agent, ended.pid, &cases)?;
    let hits = agent.hits_of(ended.pid);
    let first = hits.iter().find(|hit| hit["policy_name"] == "case-0").map(|hit| &hit["args"]);
    ensure!(first == Some(&json!([{ "bytes_arg": "bW9yZQ==" }])), "arguments: {first:?}");
    agent.stop()?;
    Ok(())
}

const SCATTERED: &str = "[{index: 1, type: char_iovec, sizeArgIndex: 3}]";

fn segments(_: &Kernel) -> Result<()> {
    let cases = [
        ("index: 1, operator: Equal, values: [onetwothree]", true),
        ("index: 1, operator: Equal, values: [one, two, three, onetwo]", false),
        ("index: 1, operator: Prefix, values: [onet]", true),
        ("index: 1, operator: Prefix, values: [two]", false),
        ("index: 1, operator: Postfix, values: [othree]", true),
        ("index: 1, operator: SubString, values: [etwot]", true),
        ("index: 1, operator: SubString, values: [twone]", false),
    ];
    let mut agent = agent_with("sys_writev", SCATTERED, &cases)?;
    let ended = trigger::write_scattered(&["one", "", "two", "three"])?;
    agent.settle()?;
    check_cases(&agent, ended.pid, &cases)?;
    let hits = agent.hits_of(ended.pid);
    let first = hits.iter().find(|hit| hit["policy_name"] == "case-0").map(|hit| &hit["args"]);
    ensure!(first == Some(&json!([{ "bytes_arg": "b25ldHdvdGhyZWU=" }])), "arguments: {first:?}");
    agent.stop()?;
    Ok(())
}

/// As many bytes as are read, and more, in one segment and in many.
fn limits_of_segments(_: &Kernel) -> Result<()> {
    const MOST: usize = 4088;
    let filters = "[{index: 1, operator: Prefix, values: [aa]}]";
    let mut agent = Setup::new()?.policy(&policy("written", "sys_writev", SCATTERED, filters))?.start()?;
    for (count, size) in [(1, MOST), (2, MOST / 2), (511, 8), (1, MOST + 1), (1024, 4), (1000, 100)] {
        let ended = trigger::write_segments(count, size)?;
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        ensure!(hits.len() == 1, "{count} of {size} bytes: {hits:?}");
        let (argument, total) = (&hits[0]["args"][0], count * size);
        let truncated = &argument["truncated_bytes_arg"];
        let told = if total > MOST { &truncated["bytes_arg"] } else { &argument["bytes_arg"] };
        let letters = told.as_str().unwrap_or_default();
        let read = letters.len() / 4 * 3 - letters.matches('=').count();
        ensure!(read == total.min(MOST), "{count} of {size} bytes: {read} read");
        ensure!(
            total <= MOST || truncated["orig_size"] == *total.to_string(),
            "{count} of {size}: {truncated}"
        );
    }
    agent.stop()?;
    Ok(())
}

fn empty(_: &Kernel) -> Result<()> {
    let cases = [
        ("index: 2, operator: Equal, values: ['']", true),
        ("index: 2, operator: Equal, values: [a, '', b]", true),
        ("index: 2, operator: Equal, values: [a, b]", false),
        ("index: 2, operator: NotEqual, values: ['']", false),
        ("index: 0, operator: Equal, values: ['']", false),
        ("index: 0, operator: NotEqual, values: ['']", true),
    ];
    let arguments = "[{index: 0, type: string}, {index: 2, type: string}]";
    let mut agent = agent_with("sys_symlinkat", arguments, &cases)?;
    let ended = trigger::symlink("/etc/hostname", "")?;
    agent.settle()?;
    check_cases(&agent, ended.pid, &cases)?;
    agent.stop()?;
    Ok(())
}

fn sizes_of_bytes(_: &Kernel) -> Result<()> {
    const MOST: usize = 4088;
    // The trigger writes that many `a` at once, and then its number and a newline to its output.
    let filters = r#"[{index: 1, operator: NotPrefix, values: ["0\n"]}]"#;
    let mut agent = Setup::new()?.policy(&policy("written", "sys_write", WRITTEN, filters))?.start()?;
    for size in [0, 1, 24, 25, 255, 256, MOST - 1, MOST, MOST + 1, 100_000] {
        let ended = trigger::write_bytes(size)?;
        agent.settle()?;
        let hits = agent.hits_of(ended.pid);
        ensure!(hits.len() == 1, "{size} bytes: {hits:?}");
        let argument = &hits[0]["args"][0];
        let told =
            if size > MOST { &argument["truncated_bytes_arg"]["bytes_arg"] } else { &argument["bytes_arg"] };
        let letters = told.as_str().unwrap_or("nothing");
        // Four letters of base64 stand for three bytes.
        let (read, padding) = (size.min(MOST), letters.matches('=').count());
        ensure!(letters.len() / 4 * 3 - padding == read, "{size} bytes: {} letters", letters.len());
        ensure!(letters.starts_with(if read >= 3 { "YWFh" } else { "" }), "{size} bytes: {argument}");
        if size > MOST {
            let original = &argument["truncated_bytes_arg"]["orig_size"];
            ensure!(*original == size.to_string().as_str(), "{size} bytes: {original}");
        }
    }
    agent.stop()?;
    Ok(())
}

fn sizes_of_strings(_: &Kernel) -> Result<()> {
    const SIZES: [usize; 6] = [1, 24, 25, 255, 256, 4095];
    let text = |size: usize| "a".repeat(size - 1) + "b";
    let filter = |operator: &str, size: usize| {
        format!("    - matchArgs:\n      - {{index: 0, operator: {operator}, values: [{}]}}\n", text(size))
    };
    let mut setup = Setup::new()?.policy(&on_symlinkat("ends-in-4095", &filter("Postfix", 4095)))?;
    for size in SIZES {
        setup = setup.policy(&on_symlinkat(&format!("equals-{size}"), &filter("Equal", size)))?;
    }
    let all = "    - matchArgs:\n      - {index: 0, operator: NotPrefix, values: [x]}\n";
    let mut agent = setup.policy(&on_symlinkat("all", all))?.start()?;
    for length in [0].into_iter().chain(SIZES).chain([4096]) {
        let target = if length == 0 { String::new() } else { text(length) };
        let ended = trigger::symlink(&target, "")?;
        agent.settle()?;
        let mut expected = BTreeSet::from(["all".to_owned()]);
        expected.extend(SIZES.contains(&length).then(|| format!("equals-{length}")));
        expected.extend((length >= 4095).then(|| "ends-in-4095".to_owned()));
        let found = policies_of(&agent, ended.pid);
        ensure!(found == expected, "{length} bytes: {found:?}, {ended:?}");
        let hits = agent.hits_of(ended.pid);
        let whole = hits.iter().all(|hit| hit["args"][0]["string_arg"] == target.as_str());
        ensure!(whole, "{length} bytes are not whole");
    }
    agent.stop()?;
    Ok(())
}

fn file_types(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("file").to_string_lossy().into_owned();
    std::fs::write(&path, "text")?;
    // Nothing but the file is written to: the trigger's output is of another kind.
    let cases = [
        ("operator: FileType, values: [reg]", true),
        ("operator: FileType, values: [dir, lnk, regular]", true),
        ("operator: FileType, values: [dir, lnk, sock]", false),
        ("operator: NotFileType, values: [fifo, chr]", true),
        ("operator: NotFileType, values: [reg, fifo, chr]", false),
    ];
    let mut agent = agent_with("sys_write", "[{index: 0, type: fd}]", &cases)?;
    let ended = trigger::write(&path)?;
    agent.settle()?;
    check_cases(&agent, ended.pid, &cases)?;
    agent.stop()?;
    Ok(())
}

fn pipe(_: &Kernel) -> Result<()> {
    // The trigger tells its result by its output.
    let filters =
        r#"[{index: 0, operator: FileType, values: [fifo]}, {index: 1, operator: Equal, values: ["0\n"]}]"#;
    let arguments = "[{index: 0, type: kiocb}, {index: 1, type: iov_iter}]";
    let mut agent = Setup::new()?.policy(&policy("pipe", "pipe_write", arguments, filters))?.start()?;
    let ended = trigger::open("/proc/self/stat")?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    ensure!(hits.len() == 1, "hits: {hits:?}");
    ensure!(hits[0]["args"][1] == json!({ "bytes_arg": "MAo=" }), "bytes: {}", hits[0]);
    let permission = hits[0]["args"][0]["file_arg"]["permission"].as_str().unwrap_or_default();
    ensure!(permission.starts_with('p'), "file: {}", hits[0]);
    agent.stop()?;
    Ok(())
}
