//! Evasion: what a hook on a system call sees of ways around it, and what one on a function behind it sees. The policy
//! guide has the same table.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger::{self, Ended, evasion, ring};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("evasion::names_of_a_file_to_system_calls", |kernel| names(kernel, false)),
        scenario("evasion::names_of_a_file_to_functions", |kernel| names(kernel, true))
            .needs(Kernel::function_hooks),
        scenario("evasion::a_ring_to_system_calls", |kernel| by_ring(kernel, false)).needs(has_ring),
        scenario("evasion::a_ring_to_functions", |kernel| by_ring(kernel, true)).needs(|kernel| {
            kernel.function_hooks()?;
            has_ring(kernel)
        }),
        scenario("evasion::a_32_bit_call_to_system_calls", |kernel| by_compat_call(kernel, false))
            .needs(Kernel::compat_calls),
        scenario("evasion::a_32_bit_call_to_functions", |kernel| by_compat_call(kernel, true)).needs(
            |kernel| {
                kernel.function_hooks()?;
                kernel.compat_calls()
            },
        ),
        scenario("evasion::programs_by_other_names", programs).needs(Kernel::function_hooks),
        scenario("evasion::a_program_in_memory_has_a_name", in_memory),
        scenario("evasion::no_process_of_a_storm_is_missed", storm),
        scenario("evasion::a_target_that_changes_is_seen_as_it_was_used", race).needs(Kernel::function_hooks),
        scenario("evasion::a_target_that_changes_is_refused", race_refused).needs(Kernel::lsm_hooks),
    ]
}

fn has_ring(_: &Kernel) -> Result<(), String> {
    ring::missing().map_or(Ok(()), Err)
}

/// The hooks, by the names of their policies, in the order of [`Way::seen`].
const HOOKS: [(&str, &str, bool, u8, &str); 4] = [
    ("open", "sys_openat", true, 1, "string"),
    ("read", "sys_read", true, 0, "fd"),
    ("file-open", "security_file_open", false, 0, "file"),
    ("file-permission", "security_file_permission", false, 0, "file"),
];

/// A way to a file, and which of [`HOOKS`] see it there.
struct Way<'f> {
    name: &'static str,
    seen: [bool; 4],
    go: Box<dyn Fn() -> Result<Ended> + 'f>,
}

/// A file, and other ways to it.
struct Secret {
    folder: tempfile::TempDir,
    /// Its path.
    path: String,
}

impl Secret {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        for name in ["here", "elsewhere", "here/below"] {
            std::fs::create_dir(path(name))?;
        }
        std::fs::write(path("here/secret"), "text")?;
        std::fs::hard_link(path("here/secret"), path("hard"))?;
        std::os::unix::fs::symlink(path("here/secret"), path("symbolic"))?;
        let secret = path("here/secret").to_string_lossy().into_owned();
        Ok(Self { path: secret, folder })
    }

    fn other(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }
}

/// Starts an agent with a hook of each of [`HOOKS`] for the file; those on functions only if they are asked for.
fn watch(path: &str, functions: bool) -> Result<Agent> {
    let mut setup = Setup::new()?;
    for (name, call, syscall, index, kind) in HOOKS.into_iter().filter(|hook| hook.2 || functions) {
        setup = setup.policy(&on_argument(
            name,
            call,
            syscall,
            (index, kind),
            &format!("Equal, values: ['{path}']"),
        ))?;
    }
    setup.start()
}

/// A policy with one hook that compares one argument.
fn on_argument(name: &str, call: &str, syscall: bool, argument: (u8, &str), comparison: &str) -> String {
    let (index, kind) = argument;
    format!(
        "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: {name}}}, spec: {{kprobes: [{{\
         call: {call}, syscall: {syscall}, args: [{{index: {index}, type: {kind}}}], \
         selectors: [{{matchArgs: [{{index: {index}, operator: {comparison}}}]}}]}}]}}}}"
    )
}

/// Goes all ways, and holds what was seen against what is expected.
fn compare(secret: &Secret, functions: bool, ways: Vec<Way<'_>>) -> Result<()> {
    let mut agent = watch(&secret.path, functions)?;
    let mut gone = Vec::new();
    for Way { name, seen, go } in ways {
        let ended = go().context(name)?;
        ensure!(ended.errno == Some(0), "{name}: the file was not read: {ended:?}");
        gone.push((name, seen, ended.pid));
    }
    agent.settle()?;
    let mut wrong = Vec::new();
    for (way, expected, pid) in gone {
        let hits = agent.hits_of(pid);
        for ((policy, _, syscall, ..), expected) in HOOKS.into_iter().zip(expected) {
            let seen = hits.iter().any(|hit| hit["policy_name"] == policy);
            if (syscall || functions) && seen != expected {
                wrong.push(format!("{way}: {policy} saw it: {seen}, expected {expected}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    agent.stop()?;
    Ok(())
}

fn names(_: &Kernel, functions: bool) -> Result<()> {
    let secret = Secret::new()?;
    let path = secret.path.as_str();
    let read = |way: &'static str, path: String| {
        Box::new(move || evasion::read_by(way, &path)) as Box<dyn Fn() -> _>
    };
    let named = |path: &str| read("by-name", path.into());
    let ways = vec![
        Way { name: "its name", seen: [true, true, true, true], go: named(path) },
        Way {
            name: "a symbolic link",
            seen: [false, true, true, true],
            go: named(&secret.other("symbolic")),
        },
        Way { name: "a hard link", seen: [false, false, false, false], go: named(&secret.other("hard")) },
        Way {
            name: "`..`",
            seen: [false, true, true, true],
            go: named(&secret.other("here/below/../secret")),
        },
        Way { name: "a relative path", seen: [false, true, true, true], go: read("relative", path.into()) },
        Way { name: "chroot", seen: [false, false, false, false], go: read("chroot", path.into()) },
        Way { name: "a bind mount", seen: [false, false, false, false], go: read("bind-mount", path.into()) },
        Way {
            name: "a descriptor that is passed",
            seen: [false, true, false, true],
            go: Box::new(|| evasion::read_passed(path)),
        },
        Way { name: "O_PATH", seen: [true, false, false, false], go: read("as-place", path.into()) },
        Way {
            name: "O_PATH, opened again",
            seen: [false, true, true, true],
            go: Box::new(|| evasion::read_again(path)),
        },
    ];
    compare(&secret, functions, ways)
}

fn by_ring(_: &Kernel, functions: bool) -> Result<()> {
    let secret = Secret::new()?;
    let go = Box::new(|| evasion::read_by("by-ring", &secret.path));
    compare(&secret, functions, vec![Way { name: "io_uring", seen: [false, false, true, true], go }])?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let std::net::SocketAddr::V4(to) = listener.local_addr()? else { return Ok(()) };
    let port = format!("SPort, values: ['{}']", to.port());
    let mut setup =
        Setup::new()?.policy(&on_argument("connect", "sys_connect", true, (1, "sockaddr"), &port))?;
    if functions {
        setup =
            setup.policy(&on_argument("socket", "security_socket_connect", false, (1, "sockaddr"), &port))?;
    }
    let mut agent = setup.start()?;
    let ended = evasion::connect_by_ring(to)?;
    ensure!(ended.errno == Some(0), "not connected: {ended:?}");
    agent.settle()?;
    let mut seen: Vec<_> = agent.hits_of(ended.pid).iter().map(|hit| hit["policy_name"].clone()).collect();
    // What would have to wait is tried once more, by a thread that may.
    seen.dedup();
    let expected: &[&str] = if functions { &["socket"] } else { &[] };
    ensure!(seen == expected, "connect: seen by {seen:?}, expected {expected:?}");
    agent.stop()?;
    Ok(())
}

fn by_compat_call(_: &Kernel, functions: bool) -> Result<()> {
    let secret = Secret::new()?;
    let go = Box::new(|| evasion::read_by("32-bit", &secret.path));
    compare(
        &secret,
        functions,
        vec![Way { name: "open(2) of 32-bit programs", seen: [false, true, true, true], go }],
    )
}

/// Which hooks see a program that is executed by something else than its name.
fn programs(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let equal = format!("Equal, values: ['{program}']");
    let binary = format!("    - matchBinaries: [{{operator: In, values: ['{program}']}}]\n");
    let mut agent = Setup::new()?
        .policy(&on_argument("execve", "sys_execve", true, (0, "string"), &equal))?
        .policy(&on_argument("bprm", "security_bprm_check", false, (0, "linux_binprm"), &equal))?
        .policy(&on_symlinkat("binary", &binary))?
        .start()?;
    let mut gone = Vec::new();
    for (way, expected) in [
        // The trigger itself is executed by name in any case.
        ("by-name", [2, 2, 1]),
        ("by-descriptor", [1, 2, 1]),
        ("in-memory", [1, 1, 0]),
    ] {
        let ended = evasion::execute(way, &program)?;
        ensure!(ended.errno == Some(libc::ENOENT), "{way}: the program did not run: {ended:?}");
        gone.push((way, expected, ended.pid));
    }
    agent.settle()?;
    for (way, expected, pid) in gone {
        let hits = agent.hits_of(pid);
        let seen = ["execve", "bprm", "binary"]
            .map(|policy| hits.iter().filter(|hit| hit["policy_name"] == policy).count());
        ensure!(seen == expected, "{way}: execve, bprm and binary saw {seen:?}, expected {expected:?}");
    }
    agent.stop()?;
    Ok(())
}

fn in_memory(_: &Kernel) -> Result<()> {
    const NAME: &str = "/memfd:evasion (deleted)";
    let selectors = "    - matchBinaries: [{operator: Prefix, values: ['/memfd:']}]\n";
    let mut agent = Setup::new()?.policy(&on_symlinkat("in-memory", selectors))?.start()?;
    let ended = evasion::execute("in-memory", &trigger::program()?)?;
    let is_exec = |event: &Value| {
        let process = &event["process_exec"]["process"];
        process["pid"] == ended.pid && process["binary"] == NAME
    };
    agent.wait_for("process_exec of the program in memory", is_exec)?;
    agent.settle()?;
    let hits = agent.hits_of(ended.pid);
    ensure!(hits.len() == 1 && hits[0]["process"]["binary"] == NAME, "hits: {hits:?}");
    agent.stop()?;
    Ok(())
}

fn storm(_: &Kernel) -> Result<()> {
    const PROCESSES: u32 = 500;
    let mut agent = Setup::new()?.policy(&on_symlinkat("storm", crate::policy::PASSWD))?.start()?;
    let ended = evasion::storm(PROCESSES)?;
    ensure!(ended.errno == Some(0), "no storm: {ended:?}");
    agent.settle()?;
    let hits = agent.events.iter().map(|event| &event["process_kprobe"]);
    let pids: std::collections::BTreeSet<u64> = hits
        .filter(|hit| hit["parent"]["pid"] == ended.pid)
        .filter_map(|hit| hit["process"]["pid"].as_u64())
        .collect();
    ensure!(pids.len() == PROCESSES as usize, "{} of {PROCESSES} processes were reported", pids.len());
    agent.stop()?;
    Ok(())
}

const LINKS: u32 = 2_000;

fn race(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let equal = "Equal, values: [/etc/passwd]";
    let policy = on_argument("race", "security_path_symlink", false, (2, "string"), equal);
    let mut agent = Setup::new()?.policy(&policy)?.start()?;
    let ended = evasion::race(&folder.path().to_string_lossy(), LINKS)?;
    agent.settle()?;
    let made = ended.errno.context("the trigger did not say how many links there are")?;
    let seen = agent.hits_of(ended.pid).len();
    ensure!(usize::try_from(made) == Ok(seen), "{made} links to /etc/passwd were made, {seen} seen");
    agent.stop()?;
    Ok(())
}

fn race_refused(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let policy = "{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {name: race}, spec: {lsmhooks: [{\
                  hook: path_symlink, args: [{index: 2, type: string}], selectors: [{\
                  matchArgs: [{index: 2, operator: Equal, values: [/etc/passwd]}], \
                  matchActions: [{action: Override, argError: -1}]}]}]}}";
    let agent = Setup::new()?.policy(policy)?.start()?;
    evasion::race(&folder.path().to_string_lossy(), LINKS)?;
    for link in std::fs::read_dir(folder.path())? {
        let to = std::fs::read_link(link?.path())?;
        ensure!(to != std::path::Path::new("/etc/passwd"), "a link to /etc/passwd was made all the same");
    }
    agent.stop()?;
    Ok(())
}
