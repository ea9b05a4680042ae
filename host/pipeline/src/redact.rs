//! Parts of events' texts that a plugin has masked.
//!
//! A plugin says where, never what: so the worst that a hostile one can do with this grant is to hide something, and
//! the event says that it did.

use std::sync::Arc;

use serin_event::argument::Argument;
use serin_event::{Annotation, Event, EventKind, Hook, Process};

use crate::batch::Batch;
use crate::counters::Counters;
use crate::{MAX_MASKS, MAX_VALUE};

/// What stands where something was.
pub const MASK: &str = "[redacted]";

/// The key of the annotation that names the masked texts.
const MARK: &str = "redacted";

/// A text of an event: which list it is in, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// `arguments` of the process.
    Process(u32),
    /// `arguments` of its parent.
    Parent(u32),
    /// The arguments of the hook, and behind them what its `data` has read.
    Hook(u32),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process(index) => write!(f, "process.arguments[{index}]"),
            Self::Parent(index) => write!(f, "parent.arguments[{index}]"),
            Self::Hook(index) => write!(f, "args[{index}]"),
        }
    }
}

/// Bytes of a text, as the plugin saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mask {
    /// Index of the event in the frame.
    pub(crate) event: u32,
    pub(crate) place: Place,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// What one call has asked for.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    masks: Vec<Mask>,
    /// It asked for more than there may be.
    pub(crate) too_many: bool,
}

impl Masks {
    pub(crate) fn push(&mut self, mask: Mask) {
        if self.masks.len() < MAX_MASKS {
            self.masks.push(mask);
        } else {
            self.too_many = true;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.masks.len()
    }

    /// Masks what was asked for in these events; `frame` has the index of each event of the frame.
    pub(crate) fn apply(
        mut self,
        plugin: &Arc<str>,
        events: &mut [Event],
        frame: &[usize],
        batch: &mut Batch,
        counters: &mut Counters,
    ) {
        self.masks.sort_unstable();
        self.masks.dedup();
        let mut memory = None;
        for masks in self.masks.chunk_by(|left, right| left.event == right.event) {
            let place = masks.first().and_then(|mask| frame.get(usize::try_from(mask.event).ok()?)).copied();
            let Some((place, event)) = place.and_then(|place| Some((place, events.get_mut(place)?))) else {
                counters.rejected += masks.len() as u64;
                continue;
            };
            let masked = mask_event(event, masks, &mut memory, batch, counters);
            if masked.is_empty() {
                continue;
            }
            let mut value = masked.join(" ");
            value.truncate(value.floor_char_boundary(MAX_VALUE));
            event.annotations.push(Annotation {
                plugin: Arc::clone(plugin),
                key: MARK.into(),
                value: value.into(),
            });
            batch.rewrite(place);
        }
    }
}

/// A process that was masked, and what came of it: the next event may well be of the same.
type Memory = Option<(Arc<Process>, Vec<(Place, u32, u32)>, Arc<Process>)>;

/// Masks what belongs to one event; gives the names of the texts in which something was.
fn mask_event(
    event: &mut Event,
    masks: &[Mask],
    memory: &mut Memory,
    batch: &mut Batch,
    counters: &mut Counters,
) -> Vec<String> {
    let mut names = Vec::new();
    for masks in masks
        .chunk_by(|left, right| std::mem::discriminant(&left.place) == std::mem::discriminant(&right.place))
    {
        let found = match masks.first().map(|mask| mask.place) {
            Some(Place::Process(_)) => {
                event.process.as_mut().map(|process| mask_process(process, masks, memory, batch, counters))
            }
            Some(Place::Parent(_)) => {
                event.parent.as_mut().map(|parent| mask_process(parent, masks, memory, batch, counters))
            }
            Some(Place::Hook(_)) => hook_of(&mut event.kind).map(|hook| mask_hook(hook, masks, counters)),
            None => None,
        };
        match found {
            Some(found) => names.extend(found),
            None => counters.rejected += masks.len() as u64,
        }
    }
    names
}

fn hook_of(kind: &mut EventKind) -> Option<&mut Hook> {
    match kind {
        EventKind::Kprobe(hook) => Some(hook),
        EventKind::Alert(finding) => hook_of(&mut finding.trigger),
        _ => None,
    }
}

/// The process is other events', too: they keep theirs.
fn mask_process(
    process: &mut Arc<Process>,
    masks: &[Mask],
    memory: &mut Memory,
    batch: &mut Batch,
    counters: &mut Counters,
) -> Vec<String> {
    let wanted: Vec<_> = masks.iter().map(|mask| (mask.place, mask.start, mask.end)).collect();
    let mut other = Process::clone(process);
    let mut texts: Vec<_> = other.arguments.iter_mut().map(Some).collect();
    let masked = mask_texts(masks, counters, &mut texts);
    let same = memory.as_ref().filter(|(old, masks, _)| Arc::ptr_eq(old, process) && *masks == wanted);
    let other = match same {
        Some((_, _, other)) => Arc::clone(other),
        None => Arc::new(other),
    };
    if !masked.is_empty() {
        let old = std::mem::replace(process, Arc::clone(&other));
        batch.keep(Arc::clone(&old));
        *memory = Some((old, wanted, other));
    }
    masked.iter().map(Place::to_string).collect()
}

fn mask_hook(hook: &mut Hook, masks: &[Mask], counters: &mut Counters) -> Vec<String> {
    // Bytes have a text only while they are masked.
    let mut texts: Vec<Option<String>> =
        hook.arguments.iter().chain(&hook.data).map(|(argument, _)| text_of(argument)).collect();
    let mut places: Vec<_> = texts.iter_mut().map(Option::as_mut).collect();
    let masked = mask_texts(masks, counters, &mut places);
    if !masked.is_empty() {
        for ((argument, _), text) in hook.arguments.iter_mut().chain(&mut hook.data).zip(texts) {
            put_text(argument, text);
        }
    }
    let arguments = u32::try_from(hook.arguments.len()).unwrap_or(u32::MAX);
    let name = |place: &Place| match place {
        Place::Hook(index) if *index >= arguments => format!("data[{}]", index - arguments),
        _ => place.to_string(),
    };
    masked.iter().map(name).collect()
}

/// As the frame has it.
fn text_of(argument: &Argument) -> Option<String> {
    match argument {
        Argument::String(text) => Some(text.clone()),
        Argument::File(file) => Some(file.path.clone()),
        Argument::Bytes { bytes, .. } => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

fn put_text(argument: &mut Argument, text: Option<String>) {
    let Some(new) = text else { return };
    match argument {
        Argument::String(text) => *text = new,
        Argument::File(file) => file.path = new,
        // Those in which nothing was masked stay as they are, UTF-8 or not.
        Argument::Bytes { bytes, .. } if new != String::from_utf8_lossy(bytes) => *bytes = new.into_bytes(),
        _ => {}
    }
}

/// Masks parts of texts, which masks name by their index; gives those in which something was.
fn mask_texts(masks: &[Mask], counters: &mut Counters, texts: &mut [Option<&mut String>]) -> Vec<Place> {
    let mut found = Vec::new();
    for masks in masks.chunk_by(|left, right| left.place == right.place) {
        let Some(place) = masks.first().map(|mask| mask.place) else { continue };
        let (Place::Process(index) | Place::Parent(index) | Place::Hook(index)) = place;
        let Some(Some(text)) = usize::try_from(index).ok().and_then(|index| texts.get_mut(index)) else {
            counters.rejected += masks.len() as u64;
            continue;
        };
        let (masked, count) = mask_text(text, masks.iter().map(|mask| (mask.start, mask.end)));
        counters.redactions += count;
        counters.rejected += masks.len() as u64 - count;
        if count > 0 {
            **text = masked;
            found.push(place);
        }
    }
    found
}

/// The text with a mask for each of these ranges, which are sorted, or for several that meet; and how many there were.
///
/// What begins or ends within a character takes all of it, and what ends behind the text ends with it: rather too much is
/// hidden than too little.
fn mask_text(text: &str, ranges: impl Iterator<Item = (u32, u32)>) -> (String, u64) {
    let (mut masked, mut count) = (String::with_capacity(text.len()), 0);
    // What is done, and whether a mask is the last of it.
    let (mut at, mut is_mask) = (0, false);
    for (start, end) in ranges {
        let (start, end) = (start as usize, end as usize);
        if start >= end || start >= text.len() {
            continue;
        }
        count += 1;
        let start = text.floor_char_boundary(start);
        let end = text.ceil_char_boundary(end.min(text.len()));
        if start > at || !is_mask {
            masked.push_str(text.get(at..start).unwrap_or_default());
            masked.push_str(MASK);
        }
        at = at.max(end);
        is_mask = true;
    }
    masked.push_str(text.get(at..).unwrap_or_default());
    (masked, count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn event() -> Event {
        let process = Arc::new(Process { arguments: vec!["abc".to_owned()], ..Process::default() });
        Event {
            time: 1,
            node_name: "host".into(),
            kind: EventKind::Exec,
            process: Some(process),
            parent: None,
            tid: 0,
            annotations: Vec::new(),
            alerts: Vec::new(),
        }
    }

    fn apply(masks: &[(u32, Place, u32, u32)], events: &mut [Event], frame: &[usize]) -> Counters {
        let mut asked = Masks::default();
        for &(event, place, start, end) in masks {
            asked.push(Mask { event, place, start, end });
        }
        let (mut batch, mut counters) = (Batch::default(), Counters::default());
        batch.start(events.len());
        asked.apply(&"p".into(), events, frame, &mut batch, &mut counters);
        counters
    }

    #[test]
    fn places_that_are_not_there_are_rejected_alone() {
        let mut events = vec![event(), event()];
        let other = events[1].clone();
        let masks = [
            (u32::MAX, Place::Process(0), 0, 1),
            (1, Place::Process(0), 0, 1),
            (0, Place::Process(1), 0, 1),
            (0, Place::Process(u32::MAX), 0, 1),
            (0, Place::Parent(0), 0, 1),
            (0, Place::Hook(0), 0, 1),
            (0, Place::Process(0), 3, 9),
            (0, Place::Process(0), 2, 1),
            (0, Place::Process(0), 1, 2),
            (0, Place::Process(0), 1, 2),
        ];
        // The frame has the first event alone.
        let counters = apply(&masks, &mut events, &[0]);
        assert_eq!((counters.redactions, counters.rejected), (1, 8));
        assert_eq!(events[0].process.as_ref().unwrap().arguments, ["a[redacted]c"]);
        let [mark] = events[0].annotations.as_slice() else { panic!("{:?}", events[0].annotations) };
        assert_eq!((&*mark.key, &*mark.value), ("redacted", "process.arguments[0]"));
        assert_eq!(events[1], other);
    }

    #[test]
    fn events_of_one_process_share_what_became_of_it_and_others_keep_theirs() {
        let first = event();
        let mut events = vec![first.clone(), first.clone(), first.clone()];
        let masks = [(0, Place::Process(0), 0, 1), (2, Place::Process(0), 0, 1)];
        apply(&masks, &mut events, &[0, 1, 2]);
        let process = |index: usize| events[index].process.as_ref().unwrap();
        assert!(Arc::ptr_eq(process(0), process(2)));
        assert_eq!(process(0).arguments, ["[redacted]bc"]);
        assert_eq!(first.process.unwrap().arguments, ["abc"], "whoever else holds the process");
        assert_eq!(process(1).arguments, ["abc"]);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut asked = Masks::default();
        for start in 0..=u32::try_from(MAX_MASKS).unwrap() {
            assert!(!asked.too_many);
            asked.push(Mask { event: 0, place: Place::Process(0), start, end: start + 1 });
        }
        assert!(asked.too_many && asked.len() == MAX_MASKS);
    }

    #[test]
    fn ranges_take_whole_characters_and_what_is_there() {
        for (text, ranges, expected, count) in [
            ("--password=abc", &[(11, 14)][..], "--password=[redacted]", 1),
            ("abc", &[(0, 3)], "[redacted]", 1),
            ("abcdef", &[(0, 1), (5, 6)], "[redacted]bcde[redacted]", 2),
            ("abcdef", &[(1, 3), (2, 4)], "a[redacted]ef", 2),
            ("abcdef", &[(1, 3), (3, 5)], "a[redacted]f", 2),
            ("abcdef", &[(1, 5), (2, 3)], "a[redacted]f", 2),
            ("größe", &[(3, 4)], "gr[redacted]ße", 1),
            ("größe", &[(2, 3)], "gr[redacted]ße", 1),
            ("größe", &[(3, 5)], "gr[redacted]e", 1),
            ("abc", &[(1, u32::MAX)], "a[redacted]", 1),
            ("abc", &[(3, 4), (2, 2), (2, 1), (u32::MAX, u32::MAX)], "abc", 0),
            ("", &[(0, 1)], "", 0),
        ] {
            let masked = mask_text(text, ranges.iter().copied());
            assert_eq!(masked, (expected.to_owned(), count), "{text} {ranges:?}");
        }
    }
}
