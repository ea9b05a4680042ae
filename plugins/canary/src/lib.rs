//! Fires a canary token for events: looks up a DNS name or requests a URL that
//! carries what happened, so that whoever owns the token learns of it even if
//! every other way out of the host is cut.
//!
//! The pipeline entry says which events (`events`), and must grant the action
//! (`grants`). An event that repeats policy, binary and cgroup within `window`
//! fires nothing.

mod dns;
mod template;

use std::collections::BTreeMap;
use std::time::Duration;

use serin_plugin::{
    Action, EventView, HttpRequest, Kind, Method, Outcome, Plugin, Severity, Subscription, Table,
};
use template::Template;

/// How many triples of policy, binary and cgroup are remembered at once.
const MAX_KEYS: usize = 4096;

/// What a DNS token carries unless `payload` says otherwise: the most important first, because the end is cut.
const PAYLOAD: &str = "{node} {policy} {binary} uid={uid} pid={pid} {arguments}";

/// The plugin.
#[derive(Debug)]
pub struct Canary {
    token: Token,
    window: u64,
    min_severity: Option<u8>,
    /// When each key fired last.
    fired: Table<u64>,
    /// Room for a key.
    key: String,
    count: u64,
}

#[derive(Debug)]
enum Token {
    Dns { name: String, payload: Template, record: Option<Record> },
    Http { url: Template, post: Option<Post> },
}

/// What a POST sends.
#[derive(Debug)]
struct Post {
    headers: Vec<(String, Template)>,
    body: Template,
}

/// The token, and when it fires.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Config {
    /// Host name of a DNS token, e.g. `pz21qtyfsidipvrsuzs9n2udi.canarytokens.com`.
    dns: Option<String>,
    /// For `dns`: what the name carries; fields in braces as in `http`.
    payload: Option<String>,
    /// For `dns`: the record that is asked for, unless `spec.canary.dns.records` is to say it.
    record: Option<Record>,
    /// URL of an HTTP token, with `{node}`, `{policy}`, `{function}`, `{binary}`, `{arguments}`, `{cwd}`, `{uid}`,
    /// `{pid}`, `{exec_id}` where the event's fields go.
    http: Option<String>,
    /// For `http`: makes the request a POST with this JSON, in whose texts fields stand as in `http`.
    body: Option<serde_json::Value>,
    /// For `http` with a `body`: headers, in whose values fields stand too.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How long repeats of policy, binary and cgroup fire nothing.
    #[serde(deserialize_with = "serin_plugin::duration", default = "minute")]
    window: Duration,
    /// Fires for events of any kind that an earlier plugin raised an alert of at least this severity on,
    /// and for no others.
    min_severity: Option<Level>,
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
enum Level {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Record {
    A,
    Aaaa,
    Txt,
}

impl Record {
    /// What asks for this record of a name.
    fn of(self, name: &str) -> String {
        let record = match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
        };
        format!("{record} {name}")
    }
}

impl Plugin for Canary {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let token = match (config.dns, config.http) {
            (Some(_), None) if config.body.is_some() || !config.headers.is_empty() => {
                return Err("`body` and `headers` are for `http`".to_owned());
            }
            (Some(name), None) => Token::Dns {
                name: dns::check_token(&name)?,
                payload: Template::parse(config.payload.as_deref().unwrap_or(PAYLOAD))?,
                record: config.record,
            },
            (None, Some(_)) if config.record.is_some() => return Err("`record` is for `dns`".to_owned()),
            (None, Some(_)) if config.payload.is_some() => {
                return Err("`payload` is for `dns`; with `http` write the fields into the URL, \
                            like `https://example.com/token?host={node}`"
                    .to_owned());
            }
            (None, Some(url)) => {
                Token::Http { url: Template::parse(&url)?, post: post(config.body, config.headers)? }
            }
            _ => return Err("write either `dns: <host name of the token>` or `http: <its URL>`".to_owned()),
        };
        Ok(Self {
            token,
            window: u64::try_from(config.window.as_nanos()).unwrap_or(u64::MAX),
            min_severity: config.min_severity.map(|level| level as u8),
            fired: Table::new(MAX_KEYS),
            key: String::new(),
            count: 0,
        })
    }

    fn subscription(&self) -> Subscription {
        match self.min_severity {
            None => Subscription::kinds(Kind::HOOKS),
            Some(_) => {
                Subscription::kinds([Kind::ProcessExec, Kind::ProcessExit].into_iter().chain(Kind::HOOKS))
            }
        }
    }

    fn on_event(&mut self, event: EventView<'_>, outcome: &mut Outcome) {
        if let Some(least) = self.min_severity
            && !event.alerts().any(|alert| alert.severity_code() >= least)
        {
            return;
        }
        if self.is_repeat(&event) {
            return;
        }
        self.count += 1;
        let (action, annotation) = match &self.token {
            Token::Dns { name, payload, record } => {
                let name = dns::name(&payload.render(&event, str::to_owned), self.count, name);
                let asked = record.map_or(name.clone(), |record| record.of(&name));
                (Action::Dns(asked), "dns")
            }
            Token::Http { url, post } => {
                let url = url.render(&event, template::percent_encode);
                let (method, headers, body) = match post {
                    None => (Method::Get, Vec::new(), Vec::new()),
                    Some(post) => post.render(&event),
                };
                (Action::Http(HttpRequest { method, url, headers, body }), "http")
            }
        };
        outcome.request(action);
        outcome.annotate("canary.requested", annotation);
    }
}

/// The texts of a JSON value become templates by being written as JSON: what stands in braces there is a field, and
/// what is put in its place is escaped as JSON demands.
fn post(body: Option<serde_json::Value>, headers: BTreeMap<String, String>) -> Result<Option<Post>, String> {
    let Some(body) = body else {
        return if headers.is_empty() { Ok(None) } else { Err("`headers` needs a `body`".to_owned()) };
    };
    let mut all = vec![("content-type".to_owned(), Template::parse("application/json")?)];
    for (name, value) in headers {
        all.retain(|(known, _)| *known != name);
        all.push((name, Template::parse(&value)?));
    }
    Ok(Some(Post { headers: all, body: Template::of_json(&body)? }))
}

impl Post {
    fn render(&self, event: &EventView<'_>) -> (Method, Vec<(String, String)>, Vec<u8>) {
        let header =
            |(name, value): &(String, Template)| (name.clone(), value.render(event, template::visible));
        let headers = self.headers.iter().map(header).collect();
        (Method::Post, headers, self.body.render(event, template::json_escape).into_bytes())
    }
}

impl Canary {
    fn is_repeat(&mut self, event: &EventView<'_>) -> bool {
        let process = event.process();
        let parts = [
            event.kprobe().map(|kprobe| kprobe.policy_name()),
            process.map(|process| process.binary()),
            process.map(|process| process.cgroup()),
        ];
        self.key.clear();
        for part in parts {
            self.key.push_str(part.unwrap_or_default());
            // No part can contain it.
            self.key.push('\0');
        }
        let now = event.time();
        let mut is_new = false;
        let last = self.fired.entry(
            &self.key,
            || {
                is_new = true;
                now
            },
            |_| (),
        );
        let repeats = !is_new && now < last.saturating_add(self.window);
        if !repeats {
            *last = now;
        }
        repeats
    }
}

/// The severities that `minSeverity` can name are those of alerts, by their number.
const _: () = assert!(Level::Info as u8 == 0 && Level::Critical as u8 == Severity::Critical as u8);

serin_plugin::export!(Canary);
