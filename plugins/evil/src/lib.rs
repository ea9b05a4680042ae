//! Misbehaves as its configuration says, for the tests of the sandbox. It uses
//! the bindings and not the SDK, which would not let it do most of this.

pub mod forged;

use std::cell::RefCell;

use serin_plugin::bindings::exports::serin::plugin::frames::Guest;
use serin_plugin::bindings::serin::plugin::types::{
    Action, ActionRequest, Alert, Annotation, Drop, HttpRequest, Info, Method, Outcome, Severity,
    Subscription,
};
use serin_plugin::kv;

use forged::Forgery;

/// What to do, and in which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Nothing at all.
    Nothing,
    /// Loop for ever.
    Loop,
    /// Allocate for ever.
    Allocate,
    /// Panic.
    Panic,
    /// Call itself for ever.
    Recurse,
    /// Speak of events that aren't there, or with keys and names that are none.
    BadIndices,
    /// Return a text that is not UTF-8.
    BadText,
    /// Return millions of small things.
    ManyEffects,
    /// Return a text of 8 MiB, many times over.
    HugeTexts,
    /// Add more to an event than one may.
    LongTexts,
    /// Drop every event.
    DropAll,
    /// Log a lot.
    Log,
    /// Ask for an action for every event.
    Act,
    /// Raise an alert on every event.
    Alert,
    /// Write as many keys as there is room for, and more.
    Hoard,
    /// Take long over each event.
    Dawdle,
    /// Take a little longer over each event than there is time for.
    Tarry,
    /// Call the host while it hands over a frame.
    Reenter,
    /// Return lists and texts whose pointers and lengths lie.
    ForgeArea,
    ForgeOutside,
    ForgeEndless,
    ForgeOdd,
    ForgeTextOutside,
    ForgeTextTooLong,
    ForgeOverlapping,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    on_frame: Deed,
    #[serde(default = "nothing")]
    on_init: Deed,
    #[serde(default = "nothing")]
    on_tick: Deed,
    #[serde(default = "nothing")]
    on_flush: Deed,
    /// Behaves for that many frames.
    #[serde(default)]
    after: u32,
    schema: Option<u32>,
    kind: Option<String>,
    /// Subscribes to that many policies.
    #[serde(default)]
    policies: usize,
}

fn nothing() -> Deed {
    Deed::Nothing
}

thread_local! {
    static CONFIG: RefCell<Option<Config>> = const { RefCell::new(None) };
}

/// The plugin.
#[derive(Debug)]
pub struct Evil;

impl Guest for Evil {
    fn init(config: String) -> Result<Info, String> {
        let config: Config = serin_plugin::runtime::read(&config).map_err(|error| error.to_string())?;
        perform(config.on_init, 0);
        let info = Info {
            name: "evil\n\u{1b}[31m".to_owned(),
            version: "6.6.6".to_owned(),
            schema: config.schema.unwrap_or(1),
            subscription: Subscription {
                kinds: config.kind.iter().cloned().collect(),
                policies: vec!["*".to_owned(); config.policies],
                binaries: Vec::new(),
                namespaces: Vec::new(),
                arguments: Vec::new(),
            },
        };
        CONFIG.set(Some(config));
        Ok(info)
    }

    fn on_frame(frame: Vec<u8>) -> Outcome {
        let count = frame.get(8..12).and_then(|count| count.try_into().ok()).map_or(0, u32::from_le_bytes);
        let deed = CONFIG.with_borrow_mut(|config| {
            let config = config.as_mut()?;
            if config.after > 0 {
                config.after -= 1;
                return None;
            }
            Some(config.on_frame)
        });
        perform(deed.unwrap_or(Deed::Nothing), count)
    }

    fn on_tick(_: u64) -> Vec<Action> {
        actions_of(CONFIG.with_borrow(|config| config.as_ref().map(|config| config.on_tick)))
    }

    fn flush() -> Vec<Action> {
        actions_of(CONFIG.with_borrow(|config| config.as_ref().map(|config| config.on_flush)))
    }
}

/// What a deed asks for where there are no events.
fn actions_of(deed: Option<Deed>) -> Vec<Action> {
    let outcome = perform(deed.unwrap_or(Deed::Nothing), 1);
    outcome.actions.into_iter().map(|request| request.action).collect()
}

fn perform(deed: Deed, count: u32) -> Outcome {
    let mut outcome =
        Outcome { drops: Vec::new(), annotations: Vec::new(), alerts: Vec::new(), actions: Vec::new() };
    match deed {
        Deed::Nothing => {}
        Deed::Loop => loop {
            std::hint::black_box(0);
        },
        Deed::Allocate => {
            let mut kept = Vec::new();
            loop {
                kept.push(std::hint::black_box(vec![1u8; 1 << 20]));
            }
        }
        Deed::Panic => panic!("evil"),
        Deed::Recurse => _ = recurse(count),
        Deed::BadIndices => bad_indices(&mut outcome, count),
        Deed::BadText => outcome.annotations.push(annotation(vec![0], "evil.text", not_utf8())),
        Deed::ManyEffects => {
            outcome.drops =
                (0..200_000).map(|_| Drop { events: Vec::new(), reason: String::new() }).collect();
        }
        Deed::HugeTexts => {
            outcome.annotations.push(annotation(vec![0], "evil.huge", "x".repeat(8 << 20)));
        }
        Deed::LongTexts => long_texts(&mut outcome),
        Deed::DropAll => {
            outcome.drops.push(Drop { events: (0..count).collect(), reason: "evil".to_owned() });
        }
        Deed::Log => (0..1000).for_each(|_| serin_plugin::log::info("\u{1b}[31m evil\n")),
        Deed::Act => {
            outcome.actions = (0..count).flat_map(actions).collect();
        }
        Deed::Alert => outcome.alerts = (0..count).map(|event| alert(event, "evil")).collect(),
        Deed::Hoard => hoard(&mut outcome),
        Deed::Dawdle => (0..count).for_each(|_| dawdle(200_000_000)),
        Deed::Tarry => (0..count).for_each(|_| dawdle(1_000_000)),
        Deed::Reenter => forged::reenter(),
        Deed::ForgeArea => forged::forge(Forgery::Area),
        Deed::ForgeOutside => forged::forge(Forgery::Outside),
        Deed::ForgeEndless => forged::forge(Forgery::Endless),
        Deed::ForgeOdd => forged::forge(Forgery::Odd),
        Deed::ForgeTextOutside => forged::forge(Forgery::TextOutside),
        Deed::ForgeTextTooLong => forged::forge(Forgery::TextTooLong),
        Deed::ForgeOverlapping => forged::forge(Forgery::Overlapping),
    }
    outcome
}

#[allow(unconditional_recursion, reason = "to be evil")]
fn recurse(depth: u32) -> u32 {
    let room = std::hint::black_box([depth; 1000]);
    room.iter().sum::<u32>().wrapping_add(std::hint::black_box(recurse)(depth.wrapping_add(1)))
}

/// So long that a batch takes seconds.
fn dawdle(steps: u32) {
    (0..steps).for_each(|step| _ = std::hint::black_box(step));
}

fn annotation(events: Vec<u32>, key: &str, value: String) -> Annotation {
    Annotation { events, key: key.to_owned(), value }
}

#[allow(unsafe_code, reason = "to be evil")]
fn not_utf8() -> String {
    // SAFETY: none. The string is only handed on to the host, which has to find out.
    unsafe { String::from_utf8_unchecked(vec![0xff; 8]) }
}

fn bad_indices(outcome: &mut Outcome, count: u32) {
    outcome.annotations.push(annotation(vec![count, u32::MAX], "evil.index", String::new()));
    outcome.annotations.push(annotation(vec![0], "Not A Key", String::new()));
    outcome.annotations.push(annotation(vec![0], "", String::new()));
    outcome.annotations.push(annotation(vec![0], "good.key", "good".to_owned()));
    outcome.drops.push(Drop { events: vec![count], reason: String::new() });
    outcome.alerts.push(alert(count, "no such event"));
    outcome.actions.push(ActionRequest { event: count, action: Action::Dns("a.evil.example".to_owned()) });
}

fn alert(event: u32, title: &str) -> Alert {
    Alert {
        event,
        severity: Severity::Critical,
        title: title.to_owned(),
        rule: String::new(),
        techniques: Vec::new(),
        key: String::new(),
        fields: Vec::new(),
    }
}

fn long_texts(outcome: &mut Outcome) {
    let fields = (0..40).map(|number| (format!("field.{number}"), "ä".repeat(5000))).collect();
    outcome.alerts.push(Alert { fields, ..alert(0, &"t".repeat(10_000)) });
    outcome.annotations = (0..100).map(|n| annotation(vec![0], &format!("k{n}"), "v".repeat(5000))).collect();
}

/// Says how many were taken before the first refusal, and what is there from before.
fn hoard(outcome: &mut Outcome) {
    let found = (0..1000).filter(|number| kv::get(&format!("key-{number}")).is_some()).count();
    let taken = (0..1000).take_while(|number| kv::set(&format!("key-{number}"), &[7; 100]).is_ok()).count();
    let refused = [kv::set("", b"x"), kv::set("large", &[0; 1 << 17])].map(|result| result.is_err());
    let told = format!("found {found}, taken {taken}, refused {refused:?}");
    outcome.annotations.push(annotation(vec![0], "evil.kv", told));
}

fn actions(event: u32) -> [ActionRequest; 3] {
    let request = |method, url: &str| {
        Action::Http(HttpRequest { method, url: url.to_owned(), headers: Vec::new(), body: Vec::new() })
    };
    [
        Action::Dns("a.evil.example".to_owned()),
        request(Method::Get, "https://evil.example/x"),
        request(Method::Post, "not a url"),
    ]
    .map(|action| ActionRequest { event, action })
}

#[cfg(target_arch = "wasm32")]
serin_plugin::bindings::export!(Evil with_types_in crate::forged);
