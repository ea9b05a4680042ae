//! An author's way from nothing to an alert, and an operator's from one version to the next.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// More than one batch by far, less than the ring buffer holds.
const HITS: u64 = 20_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("plugin_tools::from_new_to_an_alert_on_a_live_event", from_new_to_alert).needs(compiler),
        scenario("plugin_tools::what_the_agent_prints_can_be_run_again", recorded_events),
        scenario("plugin_tools::sign_and_verify", sign_and_verify),
        scenario("plugin_tools::reloads_under_load_lose_nothing", reloads),
        scenario("plugin_tools::a_thousand_reloads_under_load_give_back_their_memory", many_reloads)
            .needs(not_emulated),
    ]
}

fn compiler(_: &Kernel) -> Result<(), String> {
    let cargo = Command::new("cargo").arg("--version").output();
    if !cargo.is_ok_and(|output| output.status.success()) {
        return Err("no Rust toolchain here".to_owned());
    }
    if !crate::root().join("plugins/sdk/Cargo.toml").is_file() {
        return Err("the SDK's sources are not here".to_owned());
    }
    Ok(())
}

/// Runs `serin plugin`; gives what it prints.
pub(super) fn serin_plugin(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(crate::root().join("target/release/serin"));
    let output = command.current_dir(crate::root()).arg("plugin").args(arguments).output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "serin plugin {arguments:?} failed:\n{stdout}{stderr}");
    Ok(stdout)
}

pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Word for word what docs/plugin-guide.md says.
fn from_new_to_alert(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let plugin = folder.path().join("tmp-watch");
    serin_plugin(&["new", text(&plugin)?])?;
    serin_plugin(&["build", text(&plugin)?])?;
    let tested = serin_plugin(&["test", text(&plugin)?])?;
    ensure!(tested.contains("1 passed, 0 failed"), "{tested}");
    let component = plugin.join("tmp-watch.wasm");
    let inspected = serin_plugin(&["inspect", text(&component)?, "--config", r#"{"folders": []}"#])?;
    for line in [
        "name           tmp-watch",
        "subscribes to  process_exec",
        "imports        none",
        "needs grants   none",
    ] {
        ensure!(inspected.contains(line), "no {line:?} in:\n{inspected}");
    }
    let measured = serin_plugin(&["bench", text(&plugin)?])?;
    ensure!(measured.contains("the empty plugin  ") && measured.contains("  tmp-watch  "), "{measured}");

    alert_on_a_live_event(&plugin)
}

/// Runs an agent with the plugin of a folder that `serin plugin new` made, and a program that it raises an alert on.
pub(super) fn alert_on_a_live_event(plugin: &Path) -> Result<()> {
    let pipeline = std::fs::read_to_string(plugin.join("pipeline.yaml"))?;
    let name = plugin.file_name().and_then(|name| name.to_str()).context("a folder without a name")?;
    let component = format!("{name}.wasm");
    let pipeline = pipeline.replace(&component, text(&plugin.join(&component))?);
    let mut agent = Setup::new()?.pipeline(&pipeline)?.start()?;
    let program = Path::new("/tmp").join(format!("serin-test-{}", std::process::id()));
    std::fs::copy("/bin/true", &program)?;
    let ran = Command::new(&program).status();
    std::fs::remove_file(&program)?;
    ensure!(ran?.success(), "the program did not run");
    let alert = agent.wait_for("alert", |event| {
        event["alert"]["process"]["binary"] == text(&program).unwrap_or_default()
    })?;
    ensure!(alert["alert"]["techniques"] == serde_json::json!(["T1036.005"]), "{alert}");
    ensure!(alert["alert"]["trigger"]["process_exec"].is_object(), "{alert}");
    agent.stop()?;
    Ok(())
}

fn recorded_events(_: &Kernel) -> Result<()> {
    let rules = crate::root().join("target/plugins/rules.wasm");
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: rules
      component: {}
      config:
        rules:
          - id: links
            title: a link to a password file
            severity: high
            events: [process_kprobe]
            when: {{ policy: record, arg.0: {{ endswith: /etc/passwd }} }}
  sinks:
    - stdout: {{ format: json }}
",
        rules.display()
    );
    let mut agent = Setup::new()?.policy(&on_symlinkat("record", PASSWD))?.pipeline(&pipeline)?.start()?;
    let link = trigger::symlink("/etc/passwd", "/nonexistent/link")?;
    agent.wait_for("alert", |event| event["alert"]["process"]["pid"] == link.pid)?;
    let events = agent.stop()?;

    let folder = tempfile::tempdir()?;
    let (recorded, file) = (folder.path().join("events.jsonl"), folder.path().join("pipeline.yaml"));
    std::fs::write(&recorded, events.iter().map(|event| format!("{event}\n")).collect::<String>())?;
    std::fs::write(&file, pipeline)?;
    let verdicts = serin_plugin(&["run", text(&file)?, "--events", text(&recorded)?])?;
    let alerts = verdicts.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    let live = events.iter().filter(|event| event["alert"].is_object()).count();
    ensure!(alerts.len() == live, "{live} alerts live, {} again:\n{verdicts}", alerts.len());
    ensure!(alerts[0]["alerts"][0]["rule"] == "links", "{verdicts}");
    Ok(())
}

fn sign_and_verify(_: &Kernel) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, component) = (folder.path().join("key.pem"), folder.path().join("x.wasm"));
    std::fs::copy(crate::root().join("target/plugins/empty.wasm"), &component)?;
    let public = serin_plugin(&["keygen", text(&key)?])?;
    serin_plugin(&["sign", text(&component)?, "--key", text(&key)?])?;
    serin_plugin(&["verify", text(&component)?, "--key", public.trim()])?;
    let pipeline = format!(
        "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  trust: {{ keys: ['{}'] }}\n  plugins:\n    - name: x\n      component: {}\n",
        public.trim(),
        component.display()
    );
    let mut bytes = std::fs::read(&component)?;
    bytes.extend_from_slice(&[0, 2, 1, b'x']);
    std::fs::write(&component, bytes)?;
    ensure!(
        serin_plugin(&["verify", text(&component)?, "--key", public.trim()]).is_err(),
        "a changed component was verified"
    );
    let log = Setup::new()?.pipeline(&pipeline)?.refusal()?;
    ensure!(log.contains("it was changed after it was signed"), "{log}");
    Ok(())
}

/// Hits come out once each, or are counted as lost, while the component is replaced again and again, now and then by
/// one that can't start.
fn reloads(_: &Kernel) -> Result<()> {
    let version =
        |name: &str| std::fs::read(crate::root().join("target/plugins").join(name).with_extension("wasm"));
    let setup = Setup::new()?.policy(&on_symlinkat("load", PASSWD))?.file("x.wasm", &version("empty")?)?;
    let component = setup.path("x.wasm");
    let pipeline = "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n    - name: x\n      component: x.wasm\n  sinks:\n    - stdout: {}\n";
    let mut agent = setup.pipeline(pipeline)?.start()?;
    let mut flood = Waiting::flood(HITS)?;
    let pid = flood.pid();
    agent.settle()?;
    let flood = std::thread::spawn(move || flood.go().map(|_| flood));
    for (round, name) in ["container-enrich", "", "empty", "", "container-enrich"].into_iter().enumerate() {
        let (content, says) = match name {
            "" => (b"no component".to_vec(), "the plugins were not reloaded"),
            name => (version(name)?, "the plugins were reloaded"),
        };
        let partial = component.with_extension("partial");
        std::fs::write(&partial, content)?;
        std::fs::rename(&partial, &component)?;
        let said = |log: &[String]| log.iter().filter(|line| line.contains("the plugins were")).count();
        let before = said(&agent.log);
        agent.signal(Signal::HUP)?;
        agent.wait_until(|agent| said(&agent.log) > before)?;
        let last = agent.log.iter().rfind(|line| line.contains("the plugins were")).context("no line")?;
        ensure!(last.contains(says), "round {round}: {last}");
    }
    let flood = flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??;
    flood.end()?;
    agent.settle()?;
    let delivered = agent.hits_of(pid).len() as u64;
    let count = |event: &Value| event["loss"]["count"].as_str().and_then(|count| count.parse::<u64>().ok());
    let lost: u64 = agent.events.iter().filter_map(count).sum();
    ensure!(delivered <= HITS && delivered + lost >= HITS, "{HITS} hits, {delivered} delivered, {lost} lost");
    agent.stop()?;
    Ok(())
}

/// A thousand reloads take many minutes where every instruction is emulated.
fn not_emulated(_: &Kernel) -> Result<(), String> {
    match std::env::var_os("SERIN_GUEST") {
        Some(_) => Err("a thousand reloads take too long in guests".to_owned()),
        None => Ok(()),
    }
}

/// Fifty reloads to a lap, each of another configuration, while links are made. What the first laps take is what all take.
fn many_reloads(_: &Kernel) -> Result<()> {
    const RELOADS: usize = 50;
    const LINKS: u64 = 1_000;
    const LAPS: u64 = 20;
    let component = crate::root().join("target/plugins/faulty.wasm");
    let pipeline = |version: usize| {
        format!(
            "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n  plugins:\n    - name: x\n      component: {}\n      \
             grants: {{ log: true }}\n      config: {{ fault: trap, argument: never-{version} }}\n  sinks:\n    - stdout: {{}}\n",
            component.display()
        )
    };
    let setup = Setup::new()?.policy(&on_symlinkat("load", PASSWD))?.pipeline(&pipeline(0))?;
    let file = setup.path("pipeline.yaml");
    let mut agent = setup.start()?;
    let reloaded =
        |log: &[String]| log.iter().filter(|line| line.contains("the plugins were reloaded")).count();
    let (mut pids, mut early, mut version) = (Vec::new(), 0, 0);
    for lap in 0..LAPS {
        let mut flood = Waiting::flood(LINKS)?;
        pids.push(flood.pid());
        let flood = std::thread::spawn(move || flood.go().map(|_| flood));
        for _ in 0..RELOADS {
            version += 1;
            let partial = file.with_extension("partial");
            std::fs::write(&partial, pipeline(version))?;
            std::fs::rename(&partial, &file)?;
            let before = reloaded(&agent.log);
            agent.signal(Signal::HUP)?;
            agent.wait_until(|agent| reloaded(&agent.log) > before)?;
        }
        flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??.end()?;
        agent.settle()?;
        if lap == 1 {
            early = agent.resident()?;
        }
    }
    let late = agent.resident()?;
    ensure!(late <= early + early / 4, "{early} kB after 2 laps, {late} kB after {LAPS}");
    let count = |event: &Value| event["loss"]["count"].as_str().and_then(|count| count.parse::<u64>().ok());
    let lost: u64 = agent.events.iter().filter_map(count).sum();
    let delivered: Vec<u64> = pids.iter().map(|pid| agent.hits_of(*pid).len() as u64).collect();
    let (sum, made) = (delivered.iter().sum::<u64>(), LINKS * LAPS);
    ensure!(delivered.iter().all(|count| *count <= LINKS), "some came out twice: {delivered:?}");
    ensure!(sum + lost >= made, "{made} links, {sum} delivered, {lost} lost");
    agent.stop()?;
    Ok(())
}
