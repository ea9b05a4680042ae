//! Arguments that lie behind parameters.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("resolve::arguments_of_a_raw_tracepoint", raw_tracepoint),
        scenario("resolve::bit_fields", bit_fields),
        scenario("resolve::fields_of_a_tracepoints_record", record),
        scenario("resolve::parameters_of_a_function", function).needs(Kernel::function_hooks),
        scenario("resolve::parameters_of_an_lsm_hook", lsm_hook).needs(Kernel::lsm_hooks),
        scenario("resolve::a_pointer_that_cannot_be_followed", unreadable),
        scenario("resolve::shipped_policy", shipped),
        scenario("resolve::what_the_types_lack_is_refused", refused),
    ]
}

/// A policy with one hook; `hook` is YAML, and so are `arguments` and `filters`, which may be empty.
fn policy(section: &str, hook: &str, arguments: &str, filters: &str) -> String {
    let selectors =
        if filters.is_empty() { String::new() } else { format!("selectors: [matchArgs: [{filters}]]") };
    format!(
        "\
apiVersion: cilium.io/v1alpha1
kind: TracingPolicy
metadata: {{name: resolve}}
spec:
  {section}:
  - {hook}
    args:
{arguments}
    {selectors}
"
    )
}

/// The hits of a process, whatever they are on.
fn hits(agent: &Agent, pid: u32) -> Vec<&Value> {
    let kinds = ["process_kprobe", "process_lsm", "process_tracepoint"];
    let of_process = |event: &&Value| kinds.iter().any(|kind| event[*kind]["process"]["pid"] == pid);
    agent
        .events
        .iter()
        .filter(of_process)
        .flat_map(|event| kinds.iter().map(|kind| &event[*kind]))
        .filter(|hit| hit.is_object())
        .collect()
}

const EXEC: &str = "subsystem: sched
    event: sched_process_exec
    raw: true";

/// What a new program's file, and its parent, are called.
const ON_EXEC: &str = "    - {index: 2, type: file, resolve: file}
    - {index: 2, type: string, resolve: file.f_path.dentry.d_name.name}
    - {index: 0, type: string, resolve: real_parent.comm, label: parent}
    - {index: 0, type: int8, resolve: 'real_parent.comm[0]'}
    - {index: 0, type: int, resolve: real_parent.tgid}
    - {index: 0, type: dentry, resolve: mm.exe_file.f_path.dentry}";

/// A task in an exec says so in a bit, among others that are 0.
fn bit_fields(_: &Kernel) -> Result<()> {
    let arguments = "    - {index: 0, type: uint32, resolve: in_execve}
    - {index: 0, type: uint32, resolve: sched_reset_on_fork}
    - {index: 0, type: uint32, resolve: real_parent.in_execve}";
    let filters = "{args: [0], operator: Equal, values: [1]}, {args: [2], operator: NotEqual, values: [1]}";
    let mut agent = Setup::new()?.policy(&policy("tracepoints", EXEC, arguments, filters))?.start()?;
    let ended = trigger::seek(1)?;
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    let [hit] = seen.as_slice() else { anyhow::bail!("hits: {seen:?}") };
    let expected = [1, 0, 0].map(|bit| json!({ "uint_arg": bit }));
    ensure!(hit["args"] == json!(expected), "args: {hit}");
    agent.stop()?;
    Ok(())
}

fn raw_tracepoint(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let name = program.rsplit('/').next().unwrap_or_default();
    // The entries of `args` are counted, as several read the same parameter.
    let filters = format!(
        "{{args: [1], operator: Equal, values: [{name}]}}, {{args: [4], operator: Equal, values: [{}]}}",
        std::process::id()
    );
    let mut agent = Setup::new()?.policy(&policy("tracepoints", EXEC, ON_EXEC, &filters))?.start()?;
    let missed = trigger::other_program()?;
    let ended = trigger::seek(1)?;
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    let [hit] = seen.as_slice() else { anyhow::bail!("hits: {seen:?}") };
    let arguments = &hit["args"];
    let parent = std::fs::read_to_string("/proc/self/comm")?;
    ensure!(arguments[0]["file_arg"]["path"] == program, "file: {hit}");
    ensure!(arguments[1] == json!({ "string_arg": name }), "name: {hit}");
    ensure!(arguments[2] == json!({ "string_arg": parent.trim_end(), "label": "parent" }), "parent: {hit}");
    ensure!(arguments[3] == json!({ "int_arg": parent.as_bytes()[0] }), "letter: {hit}");
    ensure!(arguments[4] == json!({ "int_arg": std::process::id() }), "pid: {hit}");
    let path = arguments[5]["path_arg"]["path"].as_str().unwrap_or_default();
    ensure!(!path.is_empty() && program.ends_with(path), "path: {hit}");
    ensure!(hits(&agent, missed.pid).is_empty(), "another program was reported");
    agent.stop()?;
    Ok(())
}

/// The kernel hides the type of a socket's address in the record.
fn record(_: &Kernel) -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let hook = "subsystem: sock\n    event: inet_sock_set_state";
    let arguments = "    - {index: 4, type: uint16, btfType: sock, resolve: __sk_common.skc_family}
    - {index: 4, type: uint16, btfType: sock, resolve: __sk_common.skc_dport, label: big endian}
    - {index: 4, type: sock}";
    let filters = format!("{{args: [1], operator: Equal, values: [{}]}}", port.to_be());
    let mut agent = Setup::new()?.policy(&policy("tracepoints", hook, arguments, &filters))?.start()?;
    let ended = trigger::connect(listener.local_addr()?)?;
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    ensure!(!seen.is_empty(), "nothing was reported");
    for hit in seen {
        let arguments = &hit["args"];
        ensure!(arguments[0] == json!({ "uint_arg": libc::AF_INET }), "family: {hit}");
        ensure!(arguments[1]["uint_arg"] == port.to_be(), "port: {hit}");
        ensure!(arguments[2]["sock_arg"]["dport"] == port, "socket: {hit}");
    }
    agent.stop()?;
    Ok(())
}

/// What an open file is called, by the fields of its `struct file`.
const ON_OPEN: &str = "    - {index: 0, type: string, resolve: f_path.dentry.d_name.name}
    - {index: 0, type: path, resolve: f_path}
    - {index: 0, type: dentry, resolve: f_path.dentry}
    - {index: 0, type: uint16, resolve: f_inode.i_mode}
    - {index: 0, type: file}
    - {index: 0, type: uint32, resolve: f_cred.uid.val}";

fn opened(section: &str, hook: &str, kind: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [wanted, other] =
        ["wanted", "wanted-not"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    for path in [&wanted, &other] {
        std::fs::write(path, "text")?;
    }
    let filters =
        "{index: 0, operator: Equal, values: [wanted]}, {args: [3], operator: Mask, values: [0o100000]}";
    let mut agent = Setup::new()?.policy(&policy(section, hook, ON_OPEN, filters))?.start()?;
    let missed = trigger::open(&other)?;
    let ended = trigger::open(&wanted)?;
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    let [hit] = seen.as_slice() else { anyhow::bail!("hits: {seen:?}") };
    ensure!(hits(&agent, missed.pid).is_empty(), "another file was reported");
    ensure!(agent.events.iter().any(|event| event[kind].is_object()), "no {kind}");
    let arguments = &hit["args"];
    ensure!(arguments[0] == json!({ "string_arg": "wanted" }), "name: {hit}");
    ensure!(arguments[1]["path_arg"]["path"] == wanted, "path: {hit}");
    ensure!(
        arguments[2]["path_arg"]["path"].as_str().is_some_and(|path| wanted.ends_with(path)),
        "entry: {hit}"
    );
    let mode = arguments[3]["uint_arg"].as_u64().unwrap_or(0);
    ensure!(mode & u64::from(libc::S_IFMT) == u64::from(libc::S_IFREG), "mode: {hit}");
    ensure!(arguments[4]["file_arg"]["path"] == wanted, "file: {hit}");
    ensure!(arguments[5] == json!({ "uint_arg": 0 }), "user: {hit}");
    agent.stop()?;
    Ok(())
}

fn function(_: &Kernel) -> Result<()> {
    opened("kprobes", "call: security_file_open\n    syscall: false", "process_kprobe")
}

fn lsm_hook(_: &Kernel) -> Result<()> {
    opened("lsmhooks", "hook: file_open", "process_lsm")
}

/// A process that nobody traces has no `ptracer_cred`: a filter that enforces holds, and another does not.
fn unreadable(_: &Kernel) -> Result<()> {
    let arguments = "    - {index: 0, type: uint32, resolve: ptracer_cred.uid.val}
    - {index: 0, type: int, resolve: tgid}";
    let filters = "{index: 0, operator: Equal, values: [4711]}";
    let observe = policy("tracepoints", EXEC, arguments, filters);
    let kill = policy("tracepoints", EXEC, arguments, "").replace("name: resolve", "name: kill").replace(
        "    \n",
        &format!(
            "    selectors:\n    - matchBinaries: [{{operator: In, values: [{}]}}]\n      matchArgs: [{filters}]\n      \
             matchActions: [{{action: Sigkill}}]\n",
            trigger::program()?
        ),
    );
    let mut agent = Setup::new()?.policy(&observe)?.policy(&kill)?.start()?;
    let ended = trigger::seek(1)?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "it was not killed: {ended:?}");
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    let [hit] = seen.as_slice() else { anyhow::bail!("hits: {seen:?}") };
    ensure!(hit["policy_name"] == "kill", "a policy that observes matched: {hit}");
    let reason = "Bad address encountered during resolve dereference at depth 3";
    ensure!(hit["args"][0]["error_arg"]["Message"] == reason, "argument: {hit}");
    ensure!(hit["args"][1] == json!({ "int_arg": ended.pid }), "pid: {hit}");
    let (_, metrics) = agent.ask("/metrics")?;
    let counted = |line: &str| {
        line.starts_with("serin_policy_unreadable_total{")
            && line.contains("policy=\"resolve\"")
            && !line.ends_with(" 0")
    };
    ensure!(metrics.lines().any(counted), "nothing was counted:\n{metrics}");
    agent.stop()?;
    Ok(())
}

fn shipped(_: &Kernel) -> Result<()> {
    let yaml = std::fs::read_to_string(crate::root().join("policies/tracepoints/exec-by-parent.yaml"))?;
    let parent = std::fs::read_to_string("/proc/self/comm")?;
    let yaml = yaml.replace("[\"sshd\"]", &format!("[\"{}\"]", parent.trim_end()));
    let mut agent = Setup::new()?.policy(&yaml)?.start()?;
    let ended = trigger::seek(1)?;
    agent.settle()?;
    let seen = hits(&agent, ended.pid);
    let [hit] = seen.as_slice() else { anyhow::bail!("hits: {seen:?}") };
    ensure!(hit["args"][0]["file_arg"]["path"] == trigger::program()?, "file: {hit}");
    ensure!(hit["args"][1] == json!({ "string_arg": parent.trim_end(), "label": "parent" }), "parent: {hit}");
    agent.stop()?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    for (argument, words) in [
        (
            "{index: 2, type: file, resolve: fil}",
            "policy-0.yaml:10:39: `struct linux_binprm` has no field `fil`",
        ),
        ("{index: 2, type: file, resolve: fil}", "did you mean `file`?"),
        ("{index: 2, type: int, resolve: file}", "what `resolve` leads to is a pointer to `struct file`"),
        ("{index: 0, type: int8, resolve: 'comm[16]'}", "the array has 16 elements"),
        ("{index: 0, type: int, btfType: task_strct, resolve: tgid}", "did you mean `task_struct`?"),
        (
            "{index: 0, type: int, btfType: x, btfTypeModule: no_module, resolve: y}",
            "/sys/kernel/btf/no_module cannot be read: No such file",
        ),
    ] {
        let yaml = policy("tracepoints", EXEC, &format!("    - {argument}"), "");
        let log = Setup::new()?.policy(&yaml)?.refusal()?;
        ensure!(log.contains(words), "{argument}: the message lacks {words:?}:\n{log}");
    }
    Ok(())
}
