//! Policies and selectors that are about the host's processes, or about some containers.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::cgroup::{Cgroup, has_version_1};
use crate::kernel::Kernel;
use crate::policy::on_symlinkat;
use crate::trigger::{self, Waiting};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("workloads::host_containers_and_pods", scopes).needs(unified),
        scenario("workloads::what_is_told_later_of_a_container", told_later).needs(unified),
        scenario("workloads::a_new_container_is_enforced_on_at_once", at_once).needs(unified),
        scenario("workloads::labels_need_to_be_told", untold).needs(unified),
        scenario("workloads::refused_with_cgroups_of_version_1", version_1).needs(|_| {
            if has_version_1() { Ok(()) } else { Err("no cgroups of version 1 are mounted".into()) }
        }),
    ]
}

fn unified(_: &Kernel) -> Result<(), String> {
    if has_version_1() { Err("cgroups of version 1 are mounted".into()) } else { Ok(()) }
}

/// The id of a container.
fn id(digits: &str) -> String {
    digits.repeat(16)
}

/// A policy with these fields in its `spec`.
fn policy(name: &str, fields: &str) -> String {
    format!("{}{fields}", on_symlinkat(name, "    - matchActions: [{action: Post}]\n"))
}

/// Has a process in a cgroup make a link; its id.
fn link_in(cgroup: &Cgroup) -> Result<u32> {
    let mut inside = Waiting::in_cgroup(&cgroup.path)?;
    let pid = inside.pid();
    inside.go()?;
    inside.end()?;
    Ok(pid)
}

fn reported(agent: &Agent, pid: u32, policy: &str) -> bool {
    agent.hits_of(pid).iter().any(|hit| hit["policy_name"] == policy)
}

const WEB: &str = r#"{"name": "main", "repo": "docker.io/library/nginx", "namespace": "shop", "pod": "web-7", "labels": {"app": "web"}}"#;

/// What [`WEB`] makes of the processes of a container's events; nothing if the container is not described.
fn pod_in_events(agent: &Agent, pid: u32, described: Option<&str>) -> Result<()> {
    let expected = described.map_or(Value::Null, |id| {
        json!({
            "namespace": "shop",
            "name": "web-7",
            "container": {"id": id, "name": "main", "image": {"name": "docker.io/library/nginx"}},
            "pod_labels": {"app": "web"},
        })
    });
    let hits = agent.hits_of(pid);
    ensure!(!hits.is_empty(), "no hits of {pid}");
    for hit in hits {
        ensure!(hit["process"]["pod"] == expected, "instead of {expected}: {hit}");
    }
    Ok(())
}

fn scopes(_: &Kernel) -> Result<()> {
    let (before, described) = (id("5e1f"), id("c0de"));
    // Expected of: a process of the host, one in a container from before, one in a cgroup below that one's, one in a
    // container that comes later, and one in a container that comes later and is described.
    let cases = [
        ("  hostSelector: {}\n".to_owned(), [true, false, false, false, false]),
        ("  podSelector: {}\n".into(), [false, true, true, true, true]),
        ("  hostSelector: {}\n  podSelector: {}\n  containerSelector: {}\n".into(), [true; 5]),
        (format!("  containerSelector: {{matchLabels: {{id: '{before}'}}}}\n"), [false, true, true, false, false]),
        ("  podSelector: {matchLabels: {app: web}}\n".into(), [false, false, false, false, true]),
        ("  podSelector: {matchLabels: {app: db}}\n".into(), [false; 5]),
        ("  hostSelector: {}\n  podSelector: {matchLabels: {app: web}}\n".into(), [true, false, false, false, true]),
        (
            "  containerSelector: {matchExpressions: [{key: name, operator: NotIn, values: [side]}]}\n".into(),
            [false, false, false, false, true],
        ),
        (
            "  podSelector: {matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: In, values: [shop]}]}\n"
                .into(),
            [false, false, false, false, true],
        ),
    ];
    let setup = Setup::new()?;
    let folder = setup.path("containers");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join(format!("{described}.json")), WEB)?;
    let mut setup = setup.arguments(["--containers", &folder.to_string_lossy()]);
    for (number, (fields, _)) in cases.iter().enumerate() {
        setup = setup.policy(&policy(&format!("case-{number}"), fields))?;
    }
    let selector = on_symlinkat("selector", "    - matchWorkloads: {hostSelector: {}}\n");
    let namespaced = policy("namespaced", "").replace("kind: TracingPolicy", "kind: TracingPolicyNamespaced");
    let namespaced = namespaced.replace("  name: namespaced\n", "  name: namespaced\n  namespace: shop\n");
    setup = setup.policy(&selector)?.policy(&namespaced)?;

    let old = Cgroup::new(&format!("docker-{before}.scope"))?;
    let below = old.below("init.scope")?;
    let mut agent = setup.start()?;
    let new = Cgroup::new(&id("0a1b"))?;
    let web = Cgroup::new(&format!("cri-containerd-{described}.scope"))?;
    let host = trigger::symlink("/etc/passwd", "")?.pid;
    let pids = [host, link_in(&old)?, link_in(&below)?, link_in(&new)?, link_in(&web)?];
    agent.settle()?;
    let mut wrong = Vec::new();
    let mut compare = |name: &str, fields: &str, expected: [bool; 5]| {
        let found = pids.map(|pid| reported(&agent, pid, name));
        if found != expected {
            wrong.push(format!("{}: reported {found:?}, expected {expected:?}", fields.trim()));
        }
    };
    for (number, (fields, expected)) in cases.iter().enumerate() {
        compare(&format!("case-{number}"), fields, *expected);
    }
    compare("selector", "matchWorkloads", [true, false, false, false, false]);
    compare("namespaced", "namespace", [false, false, false, false, true]);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let [host, .., new, web] = pids;
    pod_in_events(&agent, host, None)?;
    pod_in_events(&agent, new, None)?;
    pod_in_events(&agent, web, Some(&described))?;
    agent.stop()?;
    Ok(())
}

fn told_later(_: &Kernel) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let setup = Setup::new()?;
    let folder = setup.path("containers");
    std::fs::create_dir(&folder)?;
    let web = policy("web", "  podSelector: {matchLabels: {app: web}}\n");
    let mut agent = setup.arguments(["--containers", &folder.to_string_lossy()]).policy(&web)?.start()?;
    let cgroup = Cgroup::new(&id("fade"))?;
    let below = cgroup.below("below")?;
    let untold = link_in(&below)?;
    agent.settle()?;
    ensure!(!reported(&agent, untold, "web"), "reported before it was described");
    let file = folder.join(format!("{}.json", id("fade")));
    for (content, expected) in [(Some(WEB), true), (Some("{}"), false), (Some(WEB), true), (None, false)] {
        match content {
            Some(content) => std::fs::write(&file, content)?,
            None => std::fs::remove_file(&file)?,
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pid = link_in(&below)?;
            agent.settle()?;
            if reported(&agent, pid, "web") == expected {
                if expected {
                    pod_in_events(&agent, pid, Some(&id("fade")))?;
                }
                break;
            }
            if Instant::now() > deadline {
                bail!("described as {content:?}, it is reported: {}", !expected);
            }
        }
    }
    agent.stop()?;
    Ok(())
}

/// The very first program in it is caught: the container's process is that of the first exec there.
fn at_once(_: &Kernel) -> Result<()> {
    let kill =
        format!("{}  podSelector: {{}}\n", on_symlinkat("kill", "    - matchActions: [{action: Sigkill}]\n"));
    let mut agent = Setup::new()?.policy(&kill)?.start()?;
    for number in 0..20 {
        let cgroup = Cgroup::new(&format!("docker-{}.scope", id(&format!("{number:04x}"))))?;
        let mut inside = Waiting::in_cgroup(&cgroup.path)?;
        let pid = inside.pid();
        ensure!(inside.go().is_err(), "container {number} got its link");
        let is_exit = |event: &Value| crate::agent::is_exit_of(event, pid);
        let exit = agent.wait_for("process_exit", is_exit)?;
        ensure!(exit["process_exit"]["signal"] == "SIGKILL", "not killed: {exit}");
        drop(inside);
    }
    let host = trigger::symlink("/etc/passwd", "")?;
    ensure!(host.signal().is_none(), "a process of the host was killed: {host:?}");
    agent.stop()?;
    Ok(())
}

fn untold(_: &Kernel) -> Result<()> {
    let log =
        Setup::new()?.policy(&policy("web", "  podSelector: {matchLabels: {app: web}}\n"))?.refusal()?;
    for words in ["policy `web`", "podSelector", "--containers"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}

fn version_1(_: &Kernel) -> Result<()> {
    let log = Setup::new()?.policy(&policy("host", "  hostSelector: {}\n"))?.refusal()?;
    for words in ["policy `host`", "hostSelector", "version 1"] {
        ensure!(log.contains(words), "the refusal lacks {words:?}:\n{log}");
    }
    Ok(())
}
