//! An entry of a pipeline file in a form that stays the same from one release to the next.

use std::num::NonZeroUsize;

use serde_json::{Map, Value, json};
use serin_config::Glob;

use crate::config::{Limits, OnFailure, OnOverload, PluginEntry};
use crate::digest::Digest;
use crate::grants::Grants;
use crate::subscription::{ArgumentPredicate, EventFilter};

/// The digest of an entry: of JSON with sorted keys, in which what has its default is left out, so that a field more
/// changes nothing for those who don't use it.
pub(crate) fn digest(entry: &PluginEntry) -> Digest {
    Digest::of(sorted(&canonical(entry)).to_string().as_bytes())
}

fn canonical(entry: &PluginEntry) -> Value {
    let PluginEntry {
        name,
        component,
        events,
        digest,
        config,
        config_file,
        grants,
        limits,
        on_failure,
        on_overload,
        workers,
        rollout: _,
    } = entry;
    let mut fields = Fields::default();
    fields.put("name", json!(name));
    fields.put("component", json!(component.to_string()));
    put_events(&mut fields, events);
    fields.put("digest", json!(digest.map(|digest| digest.to_string())));
    fields.put("config", config.clone());
    fields.put("configFile", json!(config_file));
    put_grants(&mut fields, grants);
    let Limits { memory, time, alerts, log_lines } = *limits;
    let defaults = Limits::default();
    if (memory, time) != (defaults.memory, defaults.time) {
        fields.put("limits", json!([memory, nanoseconds(time)]));
    }
    for (name, rate, default) in
        [("limits.alerts", alerts, defaults.alerts), ("limits.logLines", log_lines, defaults.log_lines)]
    {
        if rate != default {
            fields.put(name, json!([rate.burst, nanoseconds(rate.per)]));
        }
    }
    fields.put(
        "onFailure",
        match on_failure {
            OnFailure::Pass => Value::Null,
            OnFailure::Drop => json!("drop"),
            OnFailure::Disable => json!("disable"),
        },
    );
    fields.put(
        "onOverload",
        match on_overload {
            OnOverload::Wait => Value::Null,
            OnOverload::Skip => json!("skip"),
        },
    );
    if *workers != NonZeroUsize::MIN {
        fields.put("workers", json!(workers));
    }
    Value::Object(fields.0)
}

fn put_events(fields: &mut Fields, events: &EventFilter) {
    let EventFilter { kinds, policies, binaries, namespaces, arguments } = events;
    fields.put("events.kinds", json!(kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>()));
    fields.put("events.policies", patterns(policies));
    fields.put("events.binaries", patterns(binaries));
    fields.put("events.namespaces", patterns(namespaces));
    let argument = |argument: &ArgumentPredicate| {
        let ArgumentPredicate { index, field, values } = argument;
        json!([index, field, patterns(values)])
    };
    fields.put("events.arguments", json!(arguments.iter().map(argument).collect::<Vec<_>>()));
}

fn put_grants(fields: &mut Fields, grants: &Grants) {
    let Grants { log, clock, random, kv, file, hash, redact, dns, http, rate } = grants;
    fields.put("grants.log", json!(log));
    fields.put("grants.clock", json!(clock));
    fields.put("grants.random", json!(random));
    fields.put("grants.kv", json!(kv.map(|kv| json!([kv.keys, kv.bytes]))));
    fields.put("grants.kv.persist", json!(kv.is_some_and(|kv| kv.persist)));
    fields.put(
        "grants.file",
        json!(file.iter().map(|file| file.path().display().to_string()).collect::<Vec<_>>()),
    );
    fields.put("grants.hash", json!(hash.map(|hash| json!([nanoseconds(hash.wait), hash.max_size]))));
    fields.put("grants.redact", json!(redact));
    fields.put("grants.dns", patterns(dns));
    fields.put("grants.http", json!(http.iter().map(ToString::to_string).collect::<Vec<_>>()));
    fields.put("grants.rate", json!(rate.map(|rate| json!([rate.burst, nanoseconds(rate.per)]))));
}

fn patterns(globs: &[Glob]) -> Value {
    json!(globs.iter().map(Glob::pattern).collect::<Vec<_>>())
}

fn nanoseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    /// Unless it is nothing.
    fn put(&mut self, key: &str, value: Value) {
        let is_nothing = match &value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !is_nothing {
            self.0.insert(key.to_owned(), value);
        }
    }
}

/// With the keys of objects in order, whichever map `serde_json` has been built with.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_by_key(|(key, _)| *key);
            Value::Object(keys.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn entry(fields: &str) -> PluginEntry {
        serde_yaml::from_str(&format!("{{name: p, component: p.wasm{fields}}}")).unwrap()
    }

    #[test]
    fn an_entry_has_the_form_that_earlier_releases_gave_it() {
        for (fields, expected) in [
            ("", r#"{"component":"p.wasm","name":"p"}"#),
            (
                ", grants: {log: false}, limits: {time: 100ms}, config: null",
                r#"{"component":"p.wasm","name":"p"}"#,
            ),
            (
                ", config: {b: 1, a: {d: [], c: x}}, onFailure: drop, limits: {memory: 32MiB, time: 1ms}",
                r#"{"component":"p.wasm","config":{"a":{"c":"x","d":[]},"b":1},"limits":[33554432,1000000],"name":"p","onFailure":"drop"}"#,
            ),
            (
                ", grants: {kv: {}, hash: {}, file: [/etc/passwd], dns: ['*.x'], http: ['POST https://x/*'], rate: {burst: 2, per: 1s}}",
                r#"{"component":"p.wasm","grants.dns":["*.x"],"grants.file":["/etc/passwd"],"grants.hash":[5000000,67108864],"grants.http":["POST https://x:443/*"],"grants.kv":[4096,1048576],"grants.rate":[2,1000000000],"name":"p"}"#,
            ),
            (
                ", grants: {kv: {persist: true}}, events: {kinds: [process_exec], policies: ['a*']}",
                r#"{"component":"p.wasm","events.kinds":["process_exec"],"events.policies":["a*"],"grants.kv":[4096,1048576],"grants.kv.persist":true,"name":"p"}"#,
            ),
            (
                ", onOverload: skip, events: {binaries: [/bin/*], namespaces: [a], arguments: [{index: 1, values: [b]}]}",
                r#"{"component":"p.wasm","events.arguments":[[1,"",["b"]]],"events.binaries":["/bin/*"],"events.namespaces":["a"],"name":"p","onOverload":"skip"}"#,
            ),
        ] {
            assert_eq!(sorted(&canonical(&entry(fields))).to_string(), expected, "{fields}");
        }
        assert_ne!(digest(&entry("")), digest(&entry(", grants: {redact: true}")));
    }
}
