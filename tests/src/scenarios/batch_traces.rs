//! Traces of how batches pass the pipeline.

use anyhow::{Context, Result, ensure};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::collector::Collector;
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger::{self, Waiting};

/// Far more batches than the queue has room for traces of.
const HITS: u64 = 5_000;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("batch_traces::say_what_each_plugin_did", told),
        scenario("batch_traces::canaries_are_told_with_what_caused_them", canaries),
        scenario("batch_traces::a_collector_that_is_away_holds_up_nothing", away),
        scenario("batch_traces::wrong_values_are_told_with_their_place", refused),
    ]
}

/// An agent that prints every event, with a plugin, and traces with these further fields.
fn setup(collector: &Collector, fields: &str) -> Result<Setup> {
    let component = crate::root().join("target/plugins/container-enrich.wasm");
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: containers
      component: {component}
  sinks:
    - stdout: {{ format: json }}
  traces: {{ otlp: {{ url: 'http://{address}/v1/traces', linger: 100ms, timeout: 5s }}, {fields} }}
",
        component = component.display(),
        address = collector.address,
    );
    Setup::new()?.policy(&on_symlinkat("links", PASSWD))?.pipeline(&pipeline)
}

fn metric(agent: &Agent, name: &str) -> Result<u64> {
    let (_, text) = agent.ask("/metrics")?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.with_context(|| format!("no {name}"))?.parse().with_context(|| format!("{name} is no number"))
}

fn told(_: &Kernel) -> Result<()> {
    let mut collector = Collector::away()?;
    collector.come()?;
    let mut agent = setup(&collector, "sample: 100%")?.start()?;
    trigger::symlink("/etc/passwd", "")?;
    agent.settle()?;
    collector.wait_for_texts(&["batch", "plugin containers", "export", "serin.events.out", "host.name"])?;
    agent.wait_until(|agent| metric(agent, "serin_trace_spans_sent_total").is_ok_and(|sent| sent > 0))?;
    ensure!(metric(&agent, "serin_traces_up")? == 1, "traces are down");
    agent.stop()?;
    Ok(())
}

fn canaries(_: &Kernel) -> Result<()> {
    let mut collector = Collector::away()?;
    collector.come()?;
    let (server, web) = (Listener::dns()?, Listener::http()?);
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: bait
      component: {component}
      events: {{ policies: [canary] }}
      config: {{ dns: token.canary.example, payload: '' }}
      grants: {{ dns: ['*.token.canary.example'] }}
  canary:
    dns: {{ resolver: '{dns}' }}
    egress: {{ allow: [loopback] }}
  sinks:
    - stdout: {{ format: json }}
  traces: {{ otlp: {{ url: 'http://{traces}/v1/traces', linger: 100ms }}, sample: 100% }}
",
        component = crate::root().join("target/plugins/canary.wasm").display(),
        dns = server.address,
        traces = collector.address,
    );
    let url = format!("      - action: GetUrl\n        argUrl: http://{}/secret\n", web.address);
    let policy = on_symlinkat("canary", &format!("{PASSWD}      matchActions:\n{url}"));
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    trigger::symlink("/etc/passwd", "")?;
    collector.wait_for_texts(&["canary http", "serin.policy", "http.response.status_code"])?;
    collector.wait_for_texts(&["canary dns", "serin.plugin", "serin.answers"])?;
    agent.settle()?;
    agent.stop()?;
    Ok(())
}

fn away(_: &Kernel) -> Result<()> {
    let collector = Collector::away()?;
    let mut agent = setup(&collector, "sample: 100%, queue: 128")?.start()?;
    let mut flood = Waiting::flood(HITS)?;
    flood.go()?;
    flood.end()?;
    agent.settle()?;
    agent.wait_for_log("traces are not delivered")?;
    ensure!(metric(&agent, "serin_traces_up")? == 0, "traces are up");
    let hits = agent.events.iter().filter(|event| event["process_kprobe"].is_object()).count() as u64;
    ensure!(hits >= HITS, "{hits} of {HITS} hits came out");
    let log = agent.finish(rustix::process::Signal::TERM)?.1;
    let counted = log.iter().find(|line| line.contains("spans of traces: sent 0, lost "));
    counted.with_context(|| format!("nothing is counted in\n{}", log.join("\n")))?;
    Ok(())
}

fn refused(_: &Kernel) -> Result<()> {
    let collector = Collector::away()?;
    let refusal = setup(&collector, "sample: 5")?.refusal()?;
    ensure!(
        refusal.contains(
            ": spec.traces.sample: `5` is not a share of the batches: write a percentage like `1%`"
        ),
        "{refusal}"
    );
    Ok(())
}
