//! Strings that survive, whatever is in them.

use std::sync::Arc;

use serde_json::Value;
use serin_event::argument::Argument;
use serin_event::{Alert, Annotation, Event, EventKind, Hook, Process, Severity, json};

use crate::{curl, event, hook, line};

/// Characters that break careless writers of JSON, of lines, or of both.
const ALPHABET: &[char] = &[
    '\0',
    '\x01',
    '\x08',
    '\t',
    '\n',
    '\x0b',
    '\x0c',
    '\r',
    '\x1b',
    '\x1f',
    ' ',
    '"',
    '\'',
    '/',
    '\\',
    'a',
    'u',
    '{',
    '\x7f',
    '\u{85}',
    '\u{9b}',
    'é',
    '\u{2028}',
    '\u{2029}',
    '\u{feff}',
    '\u{fffd}',
    '\u{ffff}',
    '🐤',
    '\u{10ffff}',
];

/// xorshift64: the same strings in every run.
struct Strings(u64);

impl Strings {
    fn number(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn string(&mut self) -> String {
        let length = self.number(40);
        (0..length).map(|_| ALPHABET[self.number(ALPHABET.len())]).collect()
    }

    fn shared(&mut self) -> Arc<str> {
        self.string().into()
    }
}

/// An event with a random string wherever an event has one.
fn arbitrary(strings: &mut Strings) -> Event {
    let process = Process {
        exec_id: strings.string(),
        cwd: strings.string(),
        binary: strings.string(),
        arguments: vec![strings.string()],
        parent_exec_id: strings.string(),
        ..curl()
    };
    let hook = Hook {
        function_name: strings.shared(),
        policy_name: strings.shared(),
        message: strings.shared(),
        tags: Arc::new([strings.string()]),
        arguments: vec![(Argument::String(strings.string()), strings.shared())],
        ..hook(Vec::new(), &[])
    };
    Event {
        node_name: strings.shared(),
        process: Some(Arc::new(process)),
        annotations: vec![Annotation {
            plugin: strings.shared(),
            key: strings.shared(),
            value: strings.shared(),
        }],
        alerts: vec![Alert {
            plugin: strings.shared(),
            severity: Severity::Low,
            title: strings.string(),
            rule: strings.string(),
            techniques: vec![strings.string()],
            key: strings.string(),
            fields: vec![(strings.string(), strings.string())],
        }],
        ..event(EventKind::Kprobe(hook))
    }
}

/// Two lines of an encoder that has written other processes before, and then this one.
fn twice(encoder: &mut json::Encoder, event: &Event) -> String {
    let mut out = Vec::new();
    encoder.write(event, &mut out);
    encoder.write(event, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn threads_of_one_process_are_told_apart() {
    let first = event(EventKind::Exec);
    let second = Event { tid: 7, ..first.clone() };
    let mut encoder = json::Encoder::default();
    let mut out = Vec::new();
    encoder.write(&first, &mut out);
    encoder.write(&second, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), line(&first) + &line(&second));
    assert!(line(&second).contains(r#""tid":7}"#));
}

#[test]
fn long_processes_are_written_as_well() {
    let long = Process { arguments: vec!["x".repeat(5_000)], ..curl() };
    let event = Event { process: Some(Arc::new(long)), ..event(EventKind::Exec) };
    assert_eq!(twice(&mut json::Encoder::default(), &event), line(&event).repeat(2));
    assert!(line(&event).contains(&"x".repeat(5_000)));
}

#[test]
fn every_string_survives() {
    let mut strings = Strings(0x5e41_4e00_ca4a_414a);
    let mut encoder = json::Encoder::default();
    for round in 0..5_000 {
        let event = arbitrary(&mut strings);
        let text = line(&event);
        assert_eq!(twice(&mut encoder, &event), format!("{text}{text}"), "round {round}: cached");
        assert_eq!(text.matches('\n').count(), 1, "round {round}: one line\n{text}");
        let value: Value =
            serde_json::from_slice(text.as_bytes()).unwrap_or_else(|e| panic!("round {round}: {e}\n{text}"));
        let (EventKind::Kprobe(hook), Some(process)) = (&event.kind, &event.process) else { unreachable!() };
        let argument = &process.arguments[0];
        let quoted = if argument.contains(' ') { format!("\"{argument}\"") } else { argument.clone() };
        let Argument::String(path) = &hook.arguments[0].0 else { unreachable!() };
        let (annotation, alert) = (&event.annotations[0], &event.alerts[0]);
        for (pointer, expected) in [
            ("/node_name", &*event.node_name),
            ("/process_kprobe/process/exec_id", &process.exec_id),
            ("/process_kprobe/process/cwd", &process.cwd),
            ("/process_kprobe/process/binary", &process.binary),
            ("/process_kprobe/process/arguments", &quoted),
            ("/process_kprobe/process/parent_exec_id", &process.parent_exec_id),
            ("/process_kprobe/function_name", &hook.function_name),
            ("/process_kprobe/args/0/string_arg", path),
            ("/process_kprobe/args/0/label", &hook.arguments[0].1),
            ("/process_kprobe/policy_name", &hook.policy_name),
            ("/process_kprobe/message", &hook.message),
            ("/process_kprobe/tags/0", &hook.tags[0]),
            ("/serin/annotations/0/plugin", &annotation.plugin),
            ("/serin/annotations/0/key", &annotation.key),
            ("/serin/annotations/0/value", &annotation.value),
            ("/serin/alerts/0/plugin", &alert.plugin),
            ("/serin/alerts/0/title", &alert.title),
            ("/serin/alerts/0/rule", &alert.rule),
            ("/serin/alerts/0/techniques/0", &alert.techniques[0]),
            ("/serin/alerts/0/key", &alert.key),
            ("/serin/alerts/0/fields/0/key", &alert.fields[0].0),
            ("/serin/alerts/0/fields/0/value", &alert.fields[0].1),
        ] {
            let found = value.pointer(pointer).map_or(Some(""), Value::as_str);
            assert_eq!(found, Some(expected), "round {round}: {pointer}\n{text}");
        }
    }
}
