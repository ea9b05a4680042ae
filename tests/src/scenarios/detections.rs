//! The shipped detections: each reports what it is for, and not what looks like it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libc::{
    AF_INET, AF_PACKET, CLONE_NEWUSER, O_APPEND, O_RDWR, O_TRUNC, O_WRONLY, PTRACE_ATTACH, PTRACE_PEEKDATA,
    SOCK_CLOEXEC, SOCK_DGRAM, SOCK_RAW, SYS_connect, SYS_delete_module, SYS_dup2, SYS_dup3, SYS_finit_module,
    SYS_init_module, SYS_io_uring_setup, SYS_openat, SYS_process_vm_writev, SYS_ptrace, SYS_setns,
    SYS_socket, SYS_truncate, SYS_unlink, SYS_unlinkat, SYS_unshare,
};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::syscalls::Word::{Bytes, Number, Socket, Text};
use crate::trigger::syscalls::{Word, call};
use crate::trigger::{self, evasion};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("detections::by_system_calls", by_system_calls),
        scenario("detections::by_programs", by_programs),
        scenario("detections::by_files", by_files).needs(Kernel::function_hooks),
    ]
}

/// A system call, and the policies that report it.
struct Case {
    number: libc::c_long,
    arguments: &'static [Word<'static>],
    expected: &'static [&'static str],
}

const fn case(
    number: libc::c_long,
    arguments: &'static [Word<'static>],
    expected: &'static [&'static str],
) -> Case {
    Case { number, arguments, expected }
}

/// `struct sockaddr_in` of port 80 at 169.254.169.254, and at 127.0.0.1.
const METADATA: &[u8] = &[2, 0, 0, 80, 169, 254, 169, 254, 0, 0, 0, 0, 0, 0, 0, 0];
const ELSEWHERE: &[u8] = &[2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

const HERE: Word = Number(libc::AT_FDCWD as i64);
/// A number that is no descriptor's, so that nothing happens but the call.
const NOWHERE: Word = Number(-1);

const fn number(of: i32) -> Word<'static> {
    Number(of as i64)
}

/// Each call fails, or does what harms nobody.
const CALLS: &[Case] = &[
    case(SYS_dup2, &[Socket, Number(0)], &["reverse-shell"]),
    case(SYS_dup2, &[Socket, Number(100)], &[]),
    case(SYS_dup2, &[Number(0), Number(0)], &[]),
    case(SYS_dup3, &[Socket, Number(0)], &["reverse-shell"]),
    case(SYS_ptrace, &[Number(PTRACE_ATTACH as i64), Number(0)], &["process-memory"]),
    case(SYS_ptrace, &[Number(PTRACE_PEEKDATA as i64), Number(0)], &[]),
    case(SYS_process_vm_writev, &[NOWHERE], &["process-memory"]),
    case(SYS_openat, &[HERE, Text("/proc/self/mem"), number(O_WRONLY)], &["process-memory"]),
    case(SYS_openat, &[HERE, Text("/proc/self/mem"), Number(0)], &[]),
    case(SYS_openat, &[HERE, Text("/proc/self/memory"), number(O_RDWR)], &[]),
    case(SYS_init_module, &[Number(0), Number(0), Text("")], &["kernel-modules"]),
    case(SYS_finit_module, &[NOWHERE, Text("")], &["kernel-modules"]),
    case(SYS_delete_module, &[Text("serin_no_module")], &["kernel-modules"]),
    case(SYS_setns, &[NOWHERE], &["namespaces"]),
    case(SYS_unshare, &[number(CLONE_NEWUSER)], &["namespaces"]),
    case(SYS_unshare, &[Number(0)], &[]),
    case(SYS_socket, &[number(AF_PACKET), number(SOCK_DGRAM)], &["raw-sockets"]),
    case(SYS_socket, &[number(AF_INET), number(SOCK_RAW | SOCK_CLOEXEC), Number(1)], &["raw-sockets"]),
    case(SYS_socket, &[number(AF_INET), number(SOCK_DGRAM)], &[]),
    case(SYS_io_uring_setup, &[Number(0)], &["io-uring"]),
    case(SYS_connect, &[NOWHERE, Bytes(METADATA), Number(16)], &["metadata-service"]),
    case(SYS_connect, &[NOWHERE, Bytes(ELSEWHERE), Number(16)], &[]),
    case(SYS_unlink, &[Text("/var/log/serin/none")], &["log-removal"]),
    case(SYS_unlink, &[Text("/var/lib/serin/none")], &[]),
    case(SYS_unlinkat, &[HERE, Text("/var/log/serin/none")], &["log-removal"]),
    case(SYS_unlinkat, &[HERE, Text("/none/.bash_history")], &["log-removal"]),
    case(SYS_truncate, &[Text("/var/log/serin/none")], &["log-removal"]),
    case(SYS_openat, &[HERE, Text("/var/log/serin/none"), number(O_WRONLY | O_TRUNC)], &["log-removal"]),
    case(SYS_openat, &[HERE, Text("/var/log/serin/none"), number(O_WRONLY | O_APPEND)], &[]),
];

fn by_system_calls(_: &Kernel) -> Result<()> {
    let mut agent = with_all("policies/detections")?;
    let mut calls = Vec::new();
    for case in CALLS {
        let ended = call(case.number, case.arguments)?;
        // What this kernel lacks, the policies leave out.
        if ended.errno != Some(libc::ENOSYS) {
            calls.push((case, ended.pid));
        }
    }
    agent.settle()?;
    for (case, pid) in calls {
        let expected: BTreeSet<_> = case.expected.iter().copied().collect();
        let found = policies_that_report(&agent, pid);
        ensure!(
            found == expected,
            "system call {} with {:?}: reported by {found:?}, not by {expected:?}",
            case.number,
            case.arguments
        );
    }
    agent.stop()?;
    Ok(())
}

fn by_programs(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let copy = |name: &str| -> Result<String> {
        let copy = folder.path().join(name);
        std::fs::copy(trigger::program()?, &copy)?;
        Ok(copy.to_string_lossy().into_owned())
    };
    let (server, shell, other) = (copy("nginx")?, copy("bash")?, copy("worker")?);
    let mut agent = with_all("policies/detections")?;
    let in_memory = evasion::execute("in-memory", &other)?;
    let by_name = evasion::execute("by-name", &other)?;
    for programs in [[&server, &shell], [&server, &other], [&other, &shell]] {
        trigger::symlink_by(&programs.map(String::as_str), "/etc/hostname")?;
    }
    agent.settle()?;
    ensure!(policies_that_report(&agent, in_memory.pid) == BTreeSet::from(["memory-program"]), "in memory");
    ensure!(policies_that_report(&agent, by_name.pid).is_empty(), "by its name");
    let shells: Vec<_> = agent.events.iter().filter_map(|event| started(event, "server-shell")).collect();
    ensure!(shells == [(server.as_str(), shell.as_str())], "shells: {shells:?}");
    agent.stop()?;
    Ok(())
}

/// Parent and program of an event of this policy on an execution.
fn started<'a>(event: &'a Value, policy: &str) -> Option<(&'a str, &'a str)> {
    let hit = &event["process_tracepoint"];
    let program = hit["args"][0]["linux_binprm_arg"]["path"].as_str()?;
    (hit["policy_name"] == policy).then_some((hit["parent"]["binary"].as_str()?, program))
}

fn by_files(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().context("no folder")?)?;
        std::fs::write(&path, "")?;
        Ok(path.to_string_lossy().into_owned())
    };
    let (key, start, plain) = (file(".ssh/id_rsa")?, file(".bashrc")?, file("bashrc")?);
    let agent_file = file("release_agent")?;
    let core_pattern = "/proc/sys/kernel/core_pattern".to_owned();
    let mut agent = with_all("policies/detections/functions")?;
    let mut opened = Vec::new();
    for (path, flags, expected) in [
        (&key, 0, Some("credential-files")),
        (&start, O_WRONLY, Some("persistence")),
        (&start, 0, None),
        (&plain, O_RDWR, None),
        (&agent_file, O_RDWR, Some("kernel-helpers")),
        (&core_pattern, O_WRONLY, Some("kernel-helpers")),
        (&core_pattern, 0, None),
    ] {
        let ended = call(SYS_openat, &[HERE, Text(path), number(flags)])?;
        ensure!(ended.errno == Some(0), "{path} cannot be opened: {ended:?}");
        opened.push((path, flags, expected, ended.pid));
    }
    agent.settle()?;
    for (path, flags, expected, pid) in opened {
        let found = policies_that_report(&agent, pid);
        ensure!(found == expected.into_iter().collect(), "{path} with flags {flags}: reported by {found:?}");
    }
    agent.stop()?;
    Ok(())
}

/// An agent with all policies of a folder of the checkout.
fn with_all(folder: &str) -> Result<Agent> {
    let mut setup = Setup::new()?;
    for path in policies_in(&crate::root().join(folder))? {
        setup = setup.policy(&std::fs::read_to_string(path)?)?;
    }
    setup.start()
}

fn policies_in(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect())
}

/// The policies that have reported something that this process did.
fn policies_that_report(agent: &Agent, pid: u32) -> BTreeSet<&str> {
    let hits = agent.events.iter().flat_map(|event| [&event["process_kprobe"], &event["process_tracepoint"]]);
    hits.filter(|hit| hit["process"]["pid"] == pid).filter_map(|hit| hit["policy_name"].as_str()).collect()
}
