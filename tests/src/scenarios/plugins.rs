//! Plugins: they add what they know, and one that fails does no harm.

mod first_party;
mod rollouts;

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("plugins::container_enrich_names_the_container", first_party::container_enrich),
        scenario("plugins::process_tree_names_ancestors", first_party::process_tree),
        scenario("plugins::user_enrich_names_users", first_party::user_enrich),
        scenario("plugins::hash_enrich_tells_digests", first_party::hash_enrich),
        scenario("plugins::redact_hides_passwords", first_party::redact),
        scenario("plugins::one_that_traps_is_contained", |_| contained("trap", "")),
        scenario("plugins::one_that_loops_is_contained", |_| contained("loop", "")),
        scenario("plugins::one_that_hoards_memory_is_contained", |_| {
            contained("allocate", "      limits: { memory: 16MiB }\n")
        }),
        scenario("plugins::several_workers_see_each_process_in_order", |_| several_workers()),
        scenario("plugins::one_that_may_be_skipped_holds_up_nothing", |_| skipped()),
        scenario("plugins::they_get_what_they_subscribe_to", |_| subscribed()),
        scenario("plugins::evil_ones_leave_enforcement_alone", |_| evil_beside_enforcement()),
        scenario("plugins::facts_outlive_the_agent", |_| facts_outlive_the_agent()),
        scenario("plugins::a_rollout_to_no_host_changes_nothing", |_| rollouts::rollout_to_nobody()),
        scenario("plugins::a_rollout_that_fails_is_rolled_back", |_| rollouts::rollout_that_fails()),
    ]
}

/// A pipeline that runs these entries of `plugins`.
fn pipeline(plugins: &str) -> String {
    format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
{plugins}  sinks:
    - stdout: {{ format: json }}
"
    )
}

/// One entry, for a plugin from target/plugins.
fn plugin(name: &str, further: &str) -> String {
    let component = crate::root().join("target/plugins").join(name).with_extension("wasm");
    format!("    - name: {name}\n      component: {}\n{further}", component.display())
}

/// What the named plugin attached to this event under this key.
fn annotation<'a>(event: &'a Value, plugin: &str, key: &str) -> Option<&'a str> {
    let annotations = event["serin"]["annotations"].as_array()?;
    annotations.iter().find(|one| one["plugin"] == plugin && one["key"] == key)?["value"].as_str()
}

/// The event that the plugin fails at comes out all the same, the plugin behind it runs, and it is back after a while.
fn contained(fault: &str, limits: &str) -> Result<()> {
    let faulty = format!(
        "      config: {{ fault: {fault}, argument: provoke }}\n      grants: {{ log: true }}\n{limits}"
    );
    let bystander = "    - name: bystander\n      config: { fault: trap, argument: never }\n      grants: { log: true }\n";
    let component = crate::root().join("target/plugins/faulty.wasm");
    let plugins =
        format!("{}{bystander}      component: {}\n", plugin("faulty", &faulty), component.display());
    let mut agent = Setup::new()?.pipeline(&pipeline(&plugins))?.start()?;
    let before = trigger::exit(0, &["before"])?;
    let event =
        agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == before.pid)?;
    ensure!(annotation(&event, "faulty", "faulty.seen").is_some(), "not seen before it failed: {event}");
    let provoked = trigger::exit(0, &["provoke"])?;
    let event =
        agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == provoked.pid)?;
    ensure!(annotation(&event, "faulty", "faulty.seen").is_none(), "it did not fail: {event}");
    ensure!(annotation(&event, "bystander", "faulty.seen").is_some(), "the next plugin did not run: {event}");
    for _ in 0..100 {
        let after = trigger::exit(0, &["after"])?;
        let event =
            agent.wait_for("process_exec", |event| event["process_exec"]["process"]["pid"] == after.pid)?;
        if annotation(&event, "faulty", "faulty.seen").is_some() {
            agent.stop()?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    anyhow::bail!("the plugin did not come back")
}

/// Many processes at once that each run three programs in a row: whichever worker has a process counts from one to three.
fn several_workers() -> Result<()> {
    let entry =
        "      workers: 4\n      config: { fault: trap, argument: never }\n      grants: { log: true }\n";
    let mut agent = Setup::new()?.pipeline(&pipeline(&plugin("faulty", entry)))?.start()?;
    let run = || Command::new("sh").args(["-c", "exec sh -c 'exec sh -c :'"]).spawn();
    let mut running = (0..60).map(|_| run()).collect::<std::io::Result<Vec<_>>>()?;
    for process in &mut running {
        ensure!(process.wait()?.success(), "the shell failed");
    }
    agent.settle()?;
    for process in &running {
        let execs =
            agent.events.iter().filter(|event| event["process_exec"]["process"]["pid"] == process.id());
        let seen: Vec<_> = execs.filter_map(|event| annotation(event, "faulty", "faulty.seen")).collect();
        ensure!(seen == ["1", "2", "3"], "of process {}: {seen:?}", process.id());
    }
    agent.stop()?;
    Ok(())
}

/// Far more events than the plugin can look at: it sees some, the rest goes on without it, and all come out.
fn skipped() -> Result<()> {
    /// More than half of the backlog, and less than all of it.
    const HITS: u64 = 14_000;
    let slow = "      events: { kinds: [process_kprobe] }\n      config: { onFrame: tarry }\n      \
                grants: { log: true, kv: {} }\n      limits: { time: 10s }\n      onOverload: skip\n";
    let links = on_symlinkat("links", &format!("{PASSWD}      matchActions: [{{ action: Post }}]\n"));
    let mut agent = Setup::new()?.policy(&links)?.pipeline(&pipeline(&plugin("evil", slow)))?.start()?;
    let mut flood = trigger::Waiting::flood(HITS)?;
    let pid = flood.pid();
    flood.go()?;
    flood.end()?;
    agent.settle()?;
    let hits = agent.hits_of(pid).len() as u64;
    let counted = |agent: &Agent| -> Result<(u64, u64)> {
        let status: Value = serde_json::from_str(&agent.status(&["--json"])?)?;
        let evil = &status["plugins"][0];
        let (seen, skipped) = (evil["events"].as_u64(), evil["skipped"].as_u64());
        seen.zip(skipped).with_context(|| format!("no counters: {evil}"))
    };
    // Counters are shown once a second, and are of whoever makes links.
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut seen, mut skipped) = counted(&agent)?;
    while seen + skipped < hits && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        (seen, skipped) = counted(&agent)?;
    }
    ensure!(hits == HITS, "{hits} of {HITS} hits came out; it saw {seen} and {skipped} went on without it");
    ensure!(seen > 0 && skipped > 0 && seen + skipped >= HITS, "{seen} seen, {skipped} skipped of {HITS}");
    agent.stop()?;
    Ok(())
}

/// By binary and by argument, as the pipeline file narrows it.
fn subscribed() -> Result<()> {
    let component = crate::root().join("target/plugins/process-tree.wasm");
    let entry = |name: &str, events: &str| {
        format!("    - name: {name}\n      component: {}\n      events: {events}\n", component.display())
    };
    let program = trigger::program()?;
    let plugins = [
        entry("by-binary", &format!("{{ kinds: [process_kprobe], binaries: ['{program}'] }}")),
        entry("by-others", "{ kinds: [process_kprobe], binaries: ['/no/*'] }"),
        entry(
            "by-argument",
            "{ kinds: [process_kprobe], arguments: [{ index: 0, values: ['/etc/pass*'] }] }",
        ),
    ];
    let links = on_symlinkat("links", "    - matchActions: [{ action: Post }]\n");
    let mut agent = Setup::new()?.policy(&links)?.pipeline(&pipeline(&plugins.concat()))?.start()?;
    let wanted = trigger::symlink("/etc/passwd", "")?;
    let other = trigger::symlink("/etc/hosts", "")?;
    agent.settle()?;
    for (pid, expected) in
        [(wanted.pid, ["by-binary", "by-argument"].as_slice()), (other.pid, &["by-binary"])]
    {
        let hit = agent.events.iter().find(|event| event["process_kprobe"]["process"]["pid"] == pid);
        let Some(hit) = hit else { anyhow::bail!("no hit of {pid}") };
        let annotations = hit["serin"]["annotations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut seen: Vec<_> =
            annotations.iter().filter_map(|annotation| annotation["plugin"].as_str()).collect();
        seen.dedup();
        ensure!(seen == expected, "instead of {expected:?}: {hit}");
    }
    agent.stop()?;
    Ok(())
}

/// Whatever plugins do to themselves, who makes a forbidden link is killed, and every hit is told.
fn evil_beside_enforcement() -> Result<()> {
    let component = crate::root().join("target/plugins/evil.wasm");
    let entry = |deed: &str| {
        format!(
            "    - name: {deed}\n      component: {}\n      config: {{ onFrame: {deed} }}\n      \
             grants: {{ log: true, kv: {{}} }}\n      limits: {{ time: 20ms, memory: 16MiB }}\n",
            component.display()
        )
    };
    let deeds =
        ["loop", "allocate", "panic", "recurse", "bad-text", "many-effects", "huge-texts", "log", "hoard"];
    let plugins: String = deeds.into_iter().map(entry).collect();
    let kill = format!("{PASSWD}      matchActions:\n      - action: Sigkill\n");
    let setup = Setup::new()?.policy(&on_symlinkat("forbidden", &kill))?;
    let mut agent = setup.pipeline(&pipeline(&plugins))?.start()?;
    for _ in 0..20 {
        let ended = trigger::symlink("/etc/passwd", "")?;
        ensure!(ended.signal() == Some(libc::SIGKILL), "not killed: {ended:?}");
        agent.wait_for("hit", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    }
    agent.wait_for("plugin_error", |event| event["plugin_error"].is_object())?;
    let (_, log) = agent.finish(Signal::TERM)?;
    ensure!(!log.iter().any(|line| line.contains("panicked at")), "the agent panicked:\n{}", log.join("\n"));
    Ok(())
}

/// The plugin says how many facts it has found before it writes a hundred.
fn facts_outlive_the_agent() -> Result<()> {
    let state = tempfile::tempdir()?;
    let entry = plugin(
        "evil",
        "      grants: { log: true, kv: { keys: 100, persist: true } }\n      limits: { time: 1s }\n      config: { onFrame: hoard }\n",
    );
    for expected in ["found 0,", "found 100,"] {
        let mut agent = Setup::new()?.keeping(state.path()).pipeline(&pipeline(&entry))?.start()?;
        let told = |agent: &Agent| {
            let found = agent.events.iter().find_map(|event| annotation(event, "evil", "evil.kv"));
            found.map(str::to_owned)
        };
        trigger::exit(0, &["facts"])?;
        agent.wait_until(|agent| told(agent).is_some())?;
        let found = told(&agent).unwrap_or_default();
        ensure!(found.starts_with(expected), "{found}, not {expected}");
        agent.stop()?;
    }
    ensure!(state.path().join("kv/evil.json").is_file(), "no file");
    Ok(())
}
