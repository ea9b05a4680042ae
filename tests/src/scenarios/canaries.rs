//! Canaries that policies ask for: they arrive.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::{Scenario, scenario};
use crate::agent::Setup;
use crate::kernel::Kernel;
use crate::listener::Listener;
use crate::policy::{PASSWD, on_symlinkat};
use crate::trigger;

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("canaries::dns_lookup_arrives", dns_lookup),
        scenario("canaries::a_plugin_chooses_its_record_and_a_policy_asks_for_a", records),
        scenario("canaries::get_url_arrives", get_url),
        scenario("canaries::a_proxy_gets_the_request_and_its_host", proxy),
        scenario("canaries::every_action_of_a_selector_happens", all_actions),
        scenario("canaries::a_black_hole_holds_up_no_event", black_hole),
        scenario("canaries::a_first_run_shows_the_hit", first_run),
    ]
}

fn pipeline(canary: &str) -> String {
    format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  canary:
    {canary}
  sinks:
    - stdout: {{ format: json }}
"
    )
}

fn with_actions(actions: &str) -> String {
    on_symlinkat("canary", &format!("{PASSWD}      matchActions:\n{actions}"))
}

fn make_a_link() -> Result<trigger::Ended> {
    let folder = tempfile::tempdir()?;
    trigger::symlink("/etc/passwd", &folder.path().join("link").to_string_lossy())
}

fn dns_lookup(_: &Kernel) -> Result<()> {
    let server = Listener::dns()?;
    let pipeline = pipeline(&format!("dns: {{ resolver: '{}' }}", server.address));
    let policy = with_actions("      - action: DnsLookup\n        argFqdn: abc.def.o3n.io\n");
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    ensure!(server.rest().is_empty(), "something was looked up before anything happened");
    make_a_link()?;
    let query = server.next()?;
    ensure!(query.trim_end_matches('.') == "A abc.def.o3n.io", "looked up: {query}");
    agent.wait_for("action_result", |event| event["action_result"].to_string().contains("192.0.2.1"))?;
    agent.stop()?;
    Ok(())
}

fn records(_: &Kernel) -> Result<()> {
    let server = Listener::dns()?;
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: bait
      component: {component}
      events: {{ policies: [canary] }}
      config: {{ dns: token.canary.example, payload: '', record: TXT }}
      grants: {{ dns: ['*.token.canary.example'] }}
  canary:
    dns: {{ resolver: '{address}', records: [AAAA] }}
  sinks:
    - stdout: {{ format: json }}
",
        component = crate::root().join("target/plugins/canary.wasm").display(),
        address = server.address,
    );
    let policy = with_actions("      - action: DnsLookup\n        argFqdn: abc.def.o3n.io\n");
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    make_a_link()?;
    let queries = BTreeSet::from([server.next()?, server.next()?]);
    let expected = ["A abc.def.o3n.io.", "TXT G01.token.canary.example."].map(str::to_owned);
    ensure!(queries == BTreeSet::from(expected), "looked up: {queries:?}");
    let of_plugin = |event: &serde_json::Value| event["action_result"]["plugin"] == "bait";
    let result = agent.wait_for("action_result", of_plugin)?["action_result"].clone();
    ensure!(result["dns"]["record"] == "TXT", "no record: {result}");
    ensure!(result["resolved"][0] == "\"v=1\"", "another answer: {result}");
    agent.stop()?;
    Ok(())
}

fn get_url(_: &Kernel) -> Result<()> {
    let server = Listener::http()?;
    let pipeline = pipeline("egress: { allow: [loopback] }");
    let policy =
        with_actions(&format!("      - action: GetUrl\n        argUrl: http://{}/token\n", server.address));
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    make_a_link()?;
    let request = server.next()?;
    ensure!(request == "GET /token HTTP/1.1", "request: {request}");
    agent.wait_for("action_result", |event| event["action_result"].to_string().contains("204"))?;
    agent.stop()?;
    Ok(())
}

/// The server stands for a proxy: what it is asked for is on a host that nobody else is asked for.
fn proxy(_: &Kernel) -> Result<()> {
    let (names, server) = (Listener::dns()?, Listener::http()?);
    let pipeline = pipeline(&format!(
        "dns: {{ resolver: '{}' }}\n    http: {{ proxy: 'http://{}' }}\n    egress: {{ allow: [loopback] }}",
        names.address, server.address
    ));
    let policy = with_actions("      - action: GetUrl\n        argUrl: http://page.example/token\n");
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    make_a_link()?;
    let request = server.next()?;
    ensure!(request == "GET http://page.example/token HTTP/1.1", "request: {request}");
    agent.wait_for("action_result", |event| event["action_result"].to_string().contains("204"))?;
    ensure!(names.rest().is_empty(), "the host was looked up");
    agent.stop()?;
    Ok(())
}

fn all_actions(_: &Kernel) -> Result<()> {
    let (names, pages) = (Listener::dns()?, Listener::http()?);
    let pipeline =
        pipeline(&format!("dns: {{ resolver: '{}' }}\n    egress: {{ allow: [loopback] }}", names.address));
    let actions = format!(
        "      - action: DnsLookup\n        argFqdn: first.o3n.io\n      - action: GetUrl\n        argUrl: http://{}/second\n      - action: Sigkill\n",
        pages.address
    );
    let agent = Setup::new()?.policy(&with_actions(&actions))?.pipeline(&pipeline)?.start()?;
    let ended = make_a_link()?;
    ensure!(ended.signal() == Some(libc::SIGKILL), "not killed: {ended:?}");
    ensure!(names.next()?.contains("first.o3n.io"), "another name was looked up");
    ensure!(pages.next()?.contains("/second"), "another page was fetched");
    agent.stop()?;
    Ok(())
}

/// Requests of a policy and of a plugin go where nobody answers. While all of them still wait, every event comes out, in
/// order.
fn black_hole(_: &Kernel) -> Result<()> {
    const LINKS: usize = 300;
    let hole = Listener::black_hole()?;
    let component = crate::root().join("target/plugins/canary.wasm");
    let pipeline = format!(
        "\
apiVersion: serin.dev/v1alpha1
kind: Pipeline
spec:
  plugins:
    - name: bait
      component: {component}
      events: {{ policies: [canary] }}
      config: {{ dns: token.canary.example, window: 0s }}
      grants: {{ dns: ['*'] }}
  canary:
    dns: {{ resolver: '{hole}', timeout: 60s }}
    http: {{ timeout: 60s }}
    egress: {{ allow: [loopback] }}
    rates: {{ source: {{ burst: 100000, per: 1m }}, global: {{ burst: 100000, per: 1m }} }}
    dedupe: 0s
  sinks:
    - stdout: {{ format: json }}
",
        component = component.display(),
        hole = hole.address,
    );
    let policy =
        with_actions(&format!("      - action: GetUrl\n        argUrl: http://{}/token\n", hole.address));
    let mut agent = Setup::new()?.policy(&policy)?.pipeline(&pipeline)?.start()?;
    // Before so many wait that no more are sent.
    make_a_link()?;
    let mut missing = BTreeSet::from(["a connection", "a datagram"]);
    while !missing.is_empty() {
        let arrival = hole.next().with_context(|| format!("nobody came to the black hole by {missing:?}"))?;
        missing.remove(arrival.as_str());
    }
    let mut links = trigger::Waiting::linking()?;
    let pid = links.pid();
    agent.settle()?;
    links.go()?;
    let mut looked_at = 0;
    let mut seen = 0;
    agent.wait_until(|agent| {
        let new = agent.events.get(looked_at..).unwrap_or_default();
        seen += new.iter().filter(|event| event["process_kprobe"]["process"]["pid"] == pid).count();
        looked_at = agent.events.len();
        seen >= LINKS
    })?;
    let made = links.go()?;
    links.end()?;
    agent.settle()?;
    let names = agent.hits_of(pid).into_iter().filter_map(|hit| hit["args"][2]["string_arg"].as_str());
    let numbers: Vec<i32> = names.filter_map(|name| name.rsplit('/').next()?.parse().ok()).collect();
    let in_order: Vec<i32> = (0..made).collect();
    ensure!(numbers == in_order, "of {made} links {} came out, or in another order", numbers.len());
    let results =
        agent.events.iter().map(|event| &event["action_result"]).filter(|result| result.is_object());
    let ended: Vec<_> = results.filter(|result| result["suppressed"].is_null()).collect();
    ensure!(ended.is_empty(), "requests have ended, so this has shown nothing: {ended:?}");
    agent.stop()?;
    Ok(())
}

/// What `cargo xtask run` starts: the listeners of the demo show what arrives.
fn first_run(_: &Kernel) -> Result<()> {
    let mut agent = Setup::shipped()?.start()?;
    let ended = make_a_link()?;
    let event =
        agent.wait_for("process_kprobe", |event| event["process_kprobe"]["process"]["pid"] == ended.pid)?;
    ensure!(event["process_kprobe"]["policy_name"] == "sys-symlink-passwd", "policy_name: {event}");
    agent.wait_for_log("abc.def.o3n.io")?;
    agent.stop()?;
    Ok(())
}
