//! Events on their way into a sink.

use std::sync::Arc;

use serin_event::{Event, json};

use crate::compact;
use crate::config::{Format, SinkConfig};
use crate::fields::FieldFilter;
use crate::filter::Filter;
use crate::pretty;
use crate::records::{RecordBuffer, Records};
use crate::redact::{Redaction, redact};

/// Events with their text.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    events: &'a [&'a Event],
    /// The text of each, with its newline.
    lines: Records<'a>,
}

impl<'a> Batch<'a> {
    /// How many events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The text of all events, each with the newline that ends it.
    pub fn text(&self) -> &'a [u8] {
        self.lines.bytes()
    }

    /// Each event with its text, without the newline.
    pub fn iter(&self) -> impl Iterator<Item = (&'a Event, &'a [u8])> {
        let text = |line: &'a [u8]| line.strip_suffix(b"\n").unwrap_or(line);
        self.events.iter().copied().zip(self.lines.iter().map(text))
    }

    /// The first `count` events, and the rest.
    pub fn split_at(&self, count: usize) -> (Self, Self) {
        let (events, rest) = self.events.split_at(count.min(self.len()));
        let (lines, rest_lines) = self.lines.split_at(count);
        (Self { events, lines }, Self { events: rest, lines: rest_lines })
    }

    /// How many events have their text in the first `bytes` of the text.
    pub fn count_within(&self, bytes: usize) -> usize {
        self.lines.count_within(bytes)
    }
}

/// Turns events into batches for one sink.
pub(crate) struct Encoder {
    filter: Filter,
    fields: Option<FieldFilter>,
    redactions: Vec<Redaction>,
    format: Format,
    /// Compact lines are coloured.
    colours: bool,
    json: json::Encoder,
    scratch: Vec<u8>,
    filtered: Vec<u8>,
    lines: RecordBuffer,
}

impl Encoder {
    pub(crate) fn new(config: &SinkConfig, colours: bool) -> Self {
        Self {
            filter: config.filter.clone(),
            fields: config.fields.clone(),
            redactions: config.redact.clone(),
            format: config.kind.format(),
            colours,
            json: json::Encoder::default(),
            scratch: Vec::new(),
            filtered: Vec::new(),
            lines: RecordBuffer::default(),
        }
    }

    /// Hands those of the events that pass the filter, with their text, to `to`.
    pub(crate) fn encode<R>(&mut self, events: &[Arc<Vec<Event>>], to: impl FnOnce(Batch<'_>) -> R) -> R {
        self.lines.clear();
        let all = events.iter().flat_map(|events| events.iter());
        let passed: Vec<&Event> = all.filter(|event| self.filter.passes(event)).collect();
        if self.redactions.is_empty() {
            return self.encode_all(&passed, to);
        }
        let redacted: Vec<_> = passed.into_iter().map(|event| redact(event, &self.redactions)).collect();
        self.encode_all(&redacted.iter().map(|event| &**event).collect::<Vec<_>>(), to)
    }

    fn encode_all<R>(&mut self, events: &[&Event], to: impl FnOnce(Batch<'_>) -> R) -> R {
        for event in events {
            self.write(event);
        }
        to(Batch { events, lines: self.lines.records() })
    }

    fn write(&mut self, event: &Event) {
        let Self { fields, format, json, scratch, filtered, lines, .. } = self;
        let format = *format;
        lines.add(|text| match (format, fields) {
            (Format::Compact, _) => compact::write(event, self.colours, text),
            (Format::Json, None) => json.write(event, text),
            (_, fields) => {
                scratch.clear();
                json.write(event, scratch);
                scratch.pop();
                if let Some(fields) = fields {
                    filtered.clear();
                    fields.apply(scratch, filtered);
                    std::mem::swap(scratch, filtered);
                }
                match format {
                    Format::Pretty => pretty::write(scratch, text),
                    Format::Json | Format::Compact => text.extend_from_slice(scratch),
                }
                text.push(b'\n');
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_event::{EventKind, Process};

    use super::*;
    use crate::testing::{event, hit, loss};

    fn encoder(format: &str, filter: &str, others: &str) -> Encoder {
        let yaml = format!("{{ stdout: {{ format: {format} }}, allow: [{{ {filter} }}], {others} }}");
        Encoder::new(&serde_yaml::from_str(&yaml).unwrap(), false)
    }

    #[test]
    fn batches_hold_what_passed() {
        let events = [vec![loss(1), hit("p"), loss(2)], vec![loss(3)]].map(Arc::new);
        let mut encoder = encoder("json", "kinds: [loss]", "fields: { include: [count] }");
        encoder.encode(&events, |batch| {
            let line = |count| {
                format!(
                    r#"{{"loss":{{"count":"{count}"}},"node_name":"gull","time":"1970-01-01T00:00:00Z"}}"#
                )
            };
            assert_eq!(batch.len(), 3);
            assert_eq!(batch.text(), format!("{}\n{}\n{}\n", line(1), line(2), line(3)).as_bytes());
            let lines: Vec<_> = batch.iter().map(|(_, text)| text).collect();
            assert_eq!(lines, [line(1).as_bytes(), line(2).as_bytes(), line(3).as_bytes()]);

            let size = lines[0].len() + 1;
            let counts = [0, size - 1, size, 2 * size, 100 * size].map(|bytes| batch.count_within(bytes));
            assert_eq!(counts, [0, 0, 1, 2, 3]);
            let (first, rest) = batch.split_at(1);
            assert_eq!((first.len(), rest.len()), (1, 2));
            assert_eq!(first.text(), format!("{}\n", line(1)).as_bytes());
            assert_eq!(rest.text(), format!("{}\n{}\n", line(2), line(3)).as_bytes());
            assert_eq!(rest.count_within(size), 1);
            assert_eq!(rest.split_at(2).1.text(), b"");
        });
    }

    #[test]
    fn pretty_events_span_lines() {
        let mut encoder = encoder("pretty", "kinds: [loss]", "");
        encoder.encode(&[Arc::new(vec![loss(1), loss(2)])], |batch| {
            let (_, first) = batch.iter().next().unwrap();
            assert!(
                first.starts_with(b"{\n  \"loss\": {\n    \"cpu\": 0,\n"),
                "{}",
                String::from_utf8_lossy(first)
            );
            assert_eq!(batch.count_within(first.len() + 1), 1);
        });
    }

    #[test]
    fn secrets_reach_no_sink() {
        let process = Process { arguments: vec!["token=abc".into()], ..Process::default() };
        let event = Event { process: Some(Arc::new(process)), ..event(EventKind::Exec) };
        for format in ["json", "compact", "pretty"] {
            let redact = "redact: [{ patterns: ['token=(.*)'] }]";
            encoder(format, "kinds: [process_exec]", redact).encode(
                &[Arc::new(vec![event.clone()])],
                |batch| {
                    let text = String::from_utf8_lossy(batch.text()).into_owned();
                    assert!(text.contains("token=*****") && !text.contains("abc"), "{text}");
                    let (event, _) = batch.iter().next().unwrap();
                    assert_eq!(event.process.as_ref().unwrap().arguments, ["token=*****"]);
                },
            );
        }
    }
}
