//! Pipeline files: what they may say, and what is said of those that may not.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use serin_pipeline::{ConfigError, OnFailure, PipelineFile};

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sink {
    stdout: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    queue: u32,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Traces {
    rate: u32,
}

fn parse(text: &str) -> Result<PipelineFile<Sink, Canary, Traces>, ConfigError> {
    PipelineFile::parse(Path::new("dir/p.yaml"), text.to_owned())
}

const HEAD: &str = "apiVersion: serin.dev/v1alpha1\nkind: Pipeline\nspec:\n";

#[test]
fn everything_is_read() {
    let file = parse(&format!(
        "{HEAD}  plugins:
    - name: bait
      component: plugins/canary.wasm
      events: {{ kinds: [process_kprobe], policies: ['sys-*'] }}
      config: {{ token: abc, n: [1, 2] }}
      grants: {{ log: true, dns: ['*.o3n.io'], http: ['POST https://a.b/*'], rate: {{ per: 1m, burst: 5 }} }}
      limits: {{ memory: 8MiB, time: 20ms }}
      onFailure: drop
      workers: 4
    - name: plain
      component: /plain.wasm
  sinks:
    - stdout: json
  canary: {{ queue: 3 }}
  traces: {{ rate: 5 }}
"
    ))
    .unwrap();
    let [bait, plain] = file.spec.plugins.as_slice() else { panic!("{:?}", file.spec.plugins) };
    assert_eq!((bait.limits.memory, bait.limits.time), (8 << 20, Duration::from_millis(20)));
    assert_eq!(bait.config, serde_json::json!({"token": "abc", "n": [1, 2]}));
    assert_eq!((bait.on_failure, bait.grants.rate.unwrap().burst.get()), (OnFailure::Drop, 5));
    assert_eq!((plain.on_failure, plain.grants.log, plain.limits.memory), (OnFailure::Pass, false, 16 << 20));
    assert_eq!((bait.workers.get(), plain.workers.get()), (4, 1));
    assert_eq!(plain.config, serde_json::Value::Null);
    assert_eq!((file.spec.sinks[0].stdout.as_str(), file.spec.canary.as_ref().unwrap().queue), ("json", 3));
    assert_eq!(file.spec.traces.unwrap().rate, 5);
    let least = parse(&format!("{HEAD}  sinks: []\n")).unwrap().spec;
    assert!(least.canary.is_none() && least.traces.is_none());
}

#[test]
fn mistakes_are_told_with_their_place() {
    let entry =
        |fields: &str| format!("{HEAD}  plugins:\n    - name: a\n      component: a.wasm\n      {fields}\n");
    #[rustfmt::skip]
    let cases = [
        ("kind: [Pipeline]\n".to_owned(), "dir/p.yaml:1:7: kind: invalid type: sequence, expected a single value"),
        (format!("{HEAD}  sinks: [\n"), "dir/p.yaml:5:1: did not find expected node content, while parsing a flow node"),
        ("apiVersion: v1\nkind: Pipeline\nspec: {}\n".to_owned(), "dir/p.yaml:1:13: apiVersion: `v1` is not known: write `serin.dev/v1alpha1`"),
        ("apiVersion: serin.dev/v1alpha1\nkind: TracingPolicy\nspec: {}\n".to_owned(), "dir/p.yaml:2:7: kind: `TracingPolicy` is not known: write `Pipeline`"),
        ("apiVersion: serin.dev/v1alpha1\nkind: Pipeline\n".to_owned(), "dir/p.yaml:1:1: missing field `spec`"),
        (format!("{HEAD}  plugin: []\n"), "dir/p.yaml:4:3: spec: unknown field `plugin`, expected one of `plugins`, `store`, `trust`, `sinks`, `canary`, `traces`"),
        (format!("{HEAD}  sinks:\n    - stdin: x\n"), "dir/p.yaml:5:7: spec.sinks[0]: unknown field `stdin`, expected `stdout`"),
        (format!("{HEAD}  canary: {{ queue: many }}\n"), "dir/p.yaml:4:20: spec.canary.queue: invalid type: string \"many\", expected u32"),
        (format!("{HEAD}  traces: {{ rate: many }}\n"), "dir/p.yaml:4:19: spec.traces.rate: invalid type: string \"many\", expected u32"),
        (entry("grant: {}"), "dir/p.yaml:7:7: spec.plugins[0]: unknown field `grant`, expected one of `name`, `component`, `events`, `digest`, `config`, `configFile`, `grants`, `limits`, `onFailure`, `onOverload`, `workers`, `rollout`"),
        (entry("workers: 17"), "dir/p.yaml:7:16: spec.plugins[0].workers: 17 workers is out of bounds: allowed are 1 workers to 16 workers"),
        (entry("limits: { alerts: { burst: 0, per: 1s } }"), "dir/p.yaml:7:34: spec.plugins[0].limits.alerts.burst: invalid value: integer `0`, expected a nonzero u32"),
        (entry("grants: { files: [/etc/passwd] }"), "dir/p.yaml:7:17: spec.plugins[0].grants: unknown field `files`, expected one of `log`, `clock`, `random`, `kv`, `file`, `hash`, `redact`, `dns`, `http`, `rate`"),
        (entry("grants: { file: [/etc/../passwd] }"), "dir/p.yaml:7:24: spec.plugins[0].grants.file[0]: `/etc/../passwd` is not the exact path of a file: write an absolute one without `.`, `..` and `//`"),
        (entry("grants: { hash: {} }\n      limits: { time: 5ms }"), "dir/p.yaml:8:15: a call may wait 5ms for digests, but has 5ms in all: lower `wait` or raise `time`"),
        (entry("grants: { hash: { wait: 1s } }"), "dir/p.yaml:7:31: spec.plugins[0].grants.hash.wait: 1s is out of bounds: allowed are 0ns to 50ms"),
        (entry("grants: { http: ['https://a.b'] }"), "dir/p.yaml:7:24: spec.plugins[0].grants.http[0]: `https://a.b` is not a grant of requests: it has no path (`/*` is every path); write it like `GET https://*.example.com/hook/*`"),
        (entry("grants: { dns: [''] }"), "dir/p.yaml:7:23: spec.plugins[0].grants.dns[0]: an empty pattern matches nothing: write a name, or `*` for all"),
        (entry("grants: { rate: { per: 1m, burst: 0 } }"), "dir/p.yaml:7:41: spec.plugins[0].grants.rate.burst: invalid value: integer `0`, expected a nonzero u32"),
        (entry("limits: { memory: 16 }"), "dir/p.yaml:7:25: spec.plugins[0].limits.memory: 0 KiB is out of bounds: allowed are 2048 KiB to 524288 KiB"),
        (entry("limits: { memory: 1KiB }"), "dir/p.yaml:7:25: spec.plugins[0].limits.memory: 1 KiB is out of bounds: allowed are 2048 KiB to 524288 KiB"),
        (entry("limits: { time: 20 }"), "dir/p.yaml:7:23: spec.plugins[0].limits.time: `20` is not a duration: write a whole number with ms, s, m, h or d, like `5s`"),
        (entry("limits: { time: 1h }"), "dir/p.yaml:7:23: spec.plugins[0].limits.time: 3600s is out of bounds: allowed are 1ms to 10s"),
        (entry("onFailure: ignore"), "dir/p.yaml:7:18: spec.plugins[0].onFailure: `ignore` is not known: write `pass`, `drop` or `disable`"),
        (entry("rollout: { component: b.wasm }"), "dir/p.yaml:7:16: spec.plugins[0].rollout: missing field `percent`"),
        (entry("rollout: { component: b.wasm, percent: 101 }"), "dir/p.yaml:7:46: spec.plugins[0].rollout.percent: 101 of 100 hosts is out of bounds: allowed are 0 of 100 hosts to 100 of 100 hosts"),
        (entry("rollout: { component: b.wasm, percent: 1, rollback: { failures: 0 } }"), "dir/p.yaml:7:71: spec.plugins[0].rollout.rollback.failures: 0 failures is out of bounds: allowed are 1 failures to 1000 failures"),
        (entry("rollout: { component: b.wasm, percent: 1, config: {}, configFile: a }"), "dir/p.yaml:7:16: both `config` and `configFile` of the new version: write one of them"),
        (entry("rollout: { component: a.wasm, percent: 1 }"), "dir/p.yaml:7:16: the new version is the old one: name another component, or another configuration"),
        (entry("events: { kinds: [kprobe] }"), "dir/p.yaml:7:25: spec.plugins[0].events.kinds[0]: `kprobe` is not a kind of event: write one of process_exec, process_exit, process_kprobe, loss, action_result, process_lsm, alert, plugin_error, process_tracepoint, process_uprobe, process_usdt, process_loader"),
        (entry("events: { kinds: [loss], policies: [a] }"), "dir/p.yaml:7:15: policies and arguments restrict the events of policies' hooks, but kinds leaves those out: add process_kprobe to kinds or remove them"),
        (entry("events: { kinds: [loss], namespaces: [a] }"), "dir/p.yaml:7:15: binaries and namespaces restrict the events that have a process, but kinds leaves those out: add process_exec to kinds or remove them"),
        (entry("events: { arguments: [{ index: 0, values: [] }] }"), "dir/p.yaml:7:15: an argument without values is never met: write at least one, `*` for all"),
        (entry("events: { arguments: [{ index: -1, values: [a] }] }"), "dir/p.yaml:7:38: spec.plugins[0].events.arguments[0].index: invalid type: integer `-1`, expected usize"),
        (entry("onOverload: drop"), "dir/p.yaml:7:19: spec.plugins[0].onOverload: `drop` is not known: write `wait` or `skip`"),
        (entry("config: {}").replace("name: a", "name: A B"), "dir/p.yaml:5:13: spec.plugins[0].name: `A B` is not a plugin's name: write 1 to 64 of a-z, 0-9 and -"),
        (entry("config: {}").replace("a.wasm", "oci://a/b:1"), "dir/p.yaml:6:18: spec.plugins[0].component: `oci://a/b:1` may be another one tomorrow: write the digest too, which `serin plugin pull` prints"),
        (entry("config: {}").replace("a.wasm", "oci://a/b@sha256:1"), "dir/p.yaml:6:18: spec.plugins[0].component: `sha256:1` is not a digest: write `sha256:` and 64 hexadecimal digits, as `serin plugin inspect` prints it"),
        (entry("config: {}").replace("a.wasm", "https://a/b"), "dir/p.yaml:6:18: spec.plugins[0].component: `https://a/b`: write a path, or an artifact like `oci://…@sha256:…`"),
        (entry("config: {}").replace("component: a.wasm", "grants: {}"), "dir/p.yaml:5:7: spec.plugins[0]: missing field `component`"),
        (entry("config: {}\n    - { name: a, component: b }"), "dir/p.yaml:8:15: there is a plugin `a` already: each needs a name of its own"),
    ];
    let mut wrong = String::new();
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err().to_string();
        if error != expected {
            wrong.push_str(&format!("{error}\n  instead of\n{expected}\n  for\n{text}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn files_that_cannot_be_read() {
    let read = |path: &Path| PipelineFile::<Sink, Canary>::read(path).unwrap_err().to_string();
    assert!(read(Path::new("/no/such.yaml")).starts_with("/no/such.yaml: cannot be read: No such file"));
    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len((1 << 20) + 1).unwrap();
    assert!(read(large.path()).ends_with("has 1048577 bytes; a pipeline file has at most 1048576"));
}
