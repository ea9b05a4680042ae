//! What is written is read again, whatever becomes of the bytes in between.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use serin_frame::{
    AnnotationWriter, ArgumentValue, Frame, FrameError, FrameWriter, HEADER_SIZE, HookWriter, Kind,
    NodeWriter, ProcessWriter, RecordRange,
};

fn process(writer: &mut ProcessWriter<'_>, pid: u32) {
    writer.pid(pid).uid(1000).start_time(7).binary("/usr/bin/ln").cwd("/tmp").exec_id("aG9zdDo3OjQy");
    writer.arguments(&["-s", "", "/etc/passwd"]).flags(1);
}

fn sample(writer: &mut FrameWriter) -> Vec<RecordRange> {
    let (node, mut to) = writer.share::<NodeWriter<'_>>();
    to.name("höst");
    let (child, mut to) = writer.share();
    process(&mut to, 42);
    let (hook, mut to) = writer.share::<HookWriter<'_>>();
    to.function_name("__x64_sys_symlinkat").policy_name("p").tags(&["a", "b"]);
    let exec = writer.record(|event| {
        event.time(1).kind_code(Kind::ProcessExec.code()).node(node).process(child);
        process(&mut event.new_parent(), 1);
    });
    let kprobe = writer.record(|event| {
        event.time(2).kind_code(Kind::ProcessKprobe.code()).tid(43).process(child);
        let mut kprobe = event.kprobe();
        kprobe.hook(hook).selector(2);
        kprobe.arguments(&[(5, "/etc/passwd", 0), (1, "", -3i64)], |(code, text, integer), argument| {
            argument.type_code(*code).text(text).integer(*integer as u64).label("l");
        });
    });
    vec![exec, kprobe]
}

fn frame() -> Vec<u8> {
    let mut writer = FrameWriter::default();
    let records = sample(&mut writer);
    let mut bytes = Vec::new();
    writer.frame(records, &mut bytes);
    bytes
}

#[test]
fn fields_come_back() {
    let bytes = frame();
    let frame = Frame::new(&bytes).unwrap();
    let [exec, kprobe]: [_; 2] = frame.events().collect::<Vec<_>>().try_into().unwrap();

    assert_eq!((exec.kind(), exec.time(), exec.node_name()), (Kind::ProcessExec, 1, "höst"));
    let child = exec.process().unwrap();
    assert_eq!((child.pid(), child.binary(), child.exec_id()), (42, "/usr/bin/ln", "aG9zdDo3OjQy"));
    assert_eq!(child.arguments().collect::<Vec<_>>(), ["-s", "", "/etc/passwd"]);
    assert_eq!(exec.parent().unwrap().pid(), 1);
    assert!(exec.kprobe().is_none());

    let hook = kprobe.kprobe().unwrap();
    assert_eq!((hook.policy_name(), hook.selector(), kprobe.tid()), ("p", 2, 43));
    assert_eq!(hook.hook().unwrap().tags().collect::<Vec<_>>(), ["a", "b"]);
    let values: Vec<_> = hook.arguments().map(|argument| argument.value()).collect();
    assert_eq!(values, [ArgumentValue::String("/etc/passwd"), ArgumentValue::Int(-3)]);
    assert!(kprobe.parent().is_none());
}

#[test]
fn amended_record_keeps_its_other_fields() {
    amend(false);
    amend(true);
}

fn amend(grown: bool) {
    let mut writer = FrameWriter::default();
    let records = sample(&mut writer);
    let mut bytes = Vec::new();
    writer.frame([records[1].clone(), records[0].clone()], &mut bytes);
    let shared = writer.shared_size();
    let annotations = [("a.b", "c"), ("d", "e")].map(|(key, value)| {
        let (annotation, mut to) = writer.share::<AnnotationWriter<'_>>();
        to.plugin("p").key(key).value(value);
        annotation
    });
    let annotations = writer.share_list(&annotations);
    writer.amend(records[1].clone(), |event| {
        event.annotations(annotations);
    });
    if grown {
        writer.extend(&mut bytes, shared);
        writer.replace(&mut bytes, 0, records[1].clone());
    } else {
        writer.frame([records[1].clone(), records[0].clone()], &mut bytes);
    }
    let events: Vec<_> = Frame::new(&bytes).unwrap().events().collect();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].process().unwrap().binary(), "/usr/bin/ln");
    assert_eq!(events[0].kprobe().unwrap().arguments().count(), 2);
    let annotations: Vec<_> = events[0].annotations().map(|a| (a.key(), a.value())).collect();
    assert_eq!(annotations, [("a.b", "c"), ("d", "e")]);
    assert_eq!(events[1].annotations().count(), 0);
}

#[test]
fn newer_and_older_writers_are_understood() {
    let mut bytes = frame();
    // A newer writer: a longer header.
    let header = u16::try_from(HEADER_SIZE + 8).unwrap();
    bytes.splice(HEADER_SIZE..HEADER_SIZE, [0; 8]);
    bytes[6..8].copy_from_slice(&header.to_le_bytes());
    bytes[4] = 9;
    let frame = Frame::new(&bytes).unwrap();
    assert!(frame.is_newer());
    assert_eq!(frame.events().count(), 2);
    // An older one: an event structure that ends before the process.
    let record = usize::from(header);
    bytes[record..record + 4].copy_from_slice(&28u32.to_le_bytes());
    let exec = Frame::new(&bytes).unwrap().events().next().unwrap();
    assert_eq!(exec.node_name(), "höst");
    assert!(exec.process().is_none());
}

#[test]
fn what_is_no_frame_is_refused() {
    assert_eq!(Frame::new(&[]).unwrap_err(), FrameError::Truncated);
    assert_eq!(Frame::new(&[0; 64]).unwrap_err(), FrameError::Magic);
}

/// Reads everything there is; gives what it read, so that nothing is optimised away.
fn read_all(bytes: &[u8]) -> usize {
    let Ok(frame) = Frame::new(bytes) else { return 0 };
    let process = |p: serin_frame::ProcessView<'_>| {
        p.binary().len() + p.cwd().len() + p.arguments().map(str::len).sum::<usize>() + p.pid() as usize % 7
    };
    frame
        .events()
        .map(|event| {
            event.node_name().len()
                + event.process().map_or(0, process)
                + event.parent().map_or(0, process)
                + event.annotations().map(|a| a.key().len()).sum::<usize>()
                + event.alerts().map(|a| a.fields().map(|f| f.value().len()).sum::<usize>()).sum::<usize>()
                + event.kprobe().map_or(0, |k| {
                    k.policy_name().len()
                        + k.hook().map_or(0, |hook| hook.tags().count())
                        + k.arguments().map(|a| a.text().len() + a.label().len()).sum::<usize>()
                })
        })
        .sum()
}

#[test]
fn hostile_bytes_never_panic() {
    let good = frame();
    let expected = read_all(&good);
    assert!(expected > 100);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut differing = 0;
    for _ in 0..200_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = [random() as u8, 0, 0xff, 0x80][random() % 4];
        }
        bytes.truncate(if random() % 4 == 0 { random() % bytes.len() } else { bytes.len() });
        differing += usize::from(read_all(&bytes) != expected);
    }
    assert!(differing > 50_000, "only {differing} mutations changed what was read");
}
