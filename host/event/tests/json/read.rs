//! Lines that are read back.

use std::sync::Arc;

use serin_event::action::{Action, ActionRequest, ActionResult, Answer, Method, Outcome, RecordType, Source};
use serin_event::argument::{Argument, File, FileRole};
use serin_event::{
    Alert, Annotation, Event, EventKind, Finding, Hook, Mapping, PluginError, Process, Severity, json,
};

use crate::{curl, event, hook, line, pod};

/// What is read back is what was written, as far as a line holds it.
#[test]
fn lines_are_read_back() {
    let file = File { path: "/etc/a b".into(), incomplete: true, mode: 0o104_751, ..File::default() };
    let arguments = vec![
        (Argument::String("/etc/\"passwd\"\n".into()), "path".into()),
        (Argument::Int(-100), "".into()),
        (Argument::Uint(u32::MAX), "".into()),
        (Argument::Long(i64::MIN), "".into()),
        (Argument::Size(u64::MAX), "".into()),
        (Argument::File(file.clone()), "".into()),
        (Argument::File(File { role: FileRole::Path, ..file.clone() }), "".into()),
        (Argument::File(File { role: FileRole::Program, mode: 0, ..file }), "".into()),
        (Argument::Bytes { bytes: vec![0, 255, 7], original: 3 }, "".into()),
        (Argument::Bytes { bytes: vec![1], original: 4096 }, "".into()),
        (Argument::Bytes { bytes: Vec::new(), original: 9 }, "".into()),
        (Argument::Word("bpf_cmd_arg", "BPF_PROG_LOAD".into()), "".into()),
        (Argument::Word("cap_effective_arg", "00000000000001ff".into()), "".into()),
    ];
    let hook = Hook {
        message: "m".into(),
        tags: Arc::new(["t".to_owned()]),
        data: vec![(Argument::Uint(1000), "uid".into()), (Argument::String("a".into()), "".into())],
        selector: 2,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: true,
        unenforced: true,
        ..hook(arguments, &["KPROBE_ACTION_OVERRIDE", "KPROBE_ACTION_SIGKILL"])
    };
    let annotation = Annotation { plugin: "p".into(), key: "k".into(), value: "v".into() };
    let alert = Alert {
        plugin: "p".into(),
        severity: Severity::High,
        title: "t".into(),
        rule: "r".into(),
        techniques: vec!["T1".into(), "T2".into()],
        key: "p/r".into(),
        fields: vec![("k".into(), "v".into())],
    };
    let finding = Finding { alert: alert.clone(), trigger: EventKind::Kprobe(hook.clone()) };
    let raised = event(EventKind::Alert(Box::new(finding)));
    let finding = Finding { alert: alert.clone(), trigger: EventKind::Exit { status: 7, signal: 0 } };
    let raised_on_exit = event(EventKind::Alert(Box::new(finding)));
    let error = PluginError { plugin: "p".into(), reason: "trapped".into(), failures: 4 };
    let failed = event(EventKind::PluginError(Box::new(error)));
    let found =
        Event { annotations: vec![annotation], alerts: vec![alert], ..event(EventKind::Kprobe(hook)) };
    let result = |action, outcome| {
        let request = ActionRequest { source: Source::Plugin("bait".into()), action, exec_id: "x".into() };
        let result = ActionResult { request, outcome, duration: 5_000_000_000 };
        Event { process: None, parent: None, tid: 0, ..event(EventKind::ActionResult(result)) }
    };
    let http =
        Action::Http { method: Method::Post, url: "https://x/".into(), headers: vec![], body: vec![0; 3] };
    let dns = Action::Dns { name: "a.b".into(), record: None };
    for event in [
        event(EventKind::Exec),
        event(EventKind::Exit { status: 3, signal: 0 }),
        event(EventKind::Exit { status: 0, signal: 64 }),
        event(EventKind::Loader(Mapping { path: "/a".into(), build_id: vec![1, 255] })),
        event(EventKind::Loader(Mapping { path: "/a".into(), build_id: vec![] })),
        found,
        raised,
        raised_on_exit,
        Event { process: Some(Arc::new(Process { pod: Some(pod()), ..curl() })), ..event(EventKind::Exec) },
        Event { process: None, parent: None, tid: 0, ..failed },
        Event { process: None, parent: None, tid: 0, ..event(EventKind::Loss { cpu: 3, count: 9 }) },
        result(http, Outcome::HttpStatus(204)),
        result(dns.clone(), Outcome::Resolved(vec![])),
        result(dns.clone(), Outcome::Resolved(vec!["192.0.2.1".parse().unwrap()])),
        result(
            Action::Dns { name: "a.b".into(), record: Some(RecordType::Txt) },
            Outcome::Resolved(vec![Answer::Text("1.2.3.4".into()), Answer::Text("\"\n".into())]),
        ),
        result(dns, Outcome::Failed("no answer".into())),
    ] {
        let written = line(&event);
        // The half of a container's id that a line has is not enough to find its cgroup by.
        let expected = written.replacen(r#""docker":"551e161c47d8ff0eb665438a7bcd5b4","#, "", 1);
        assert_eq!(line(&json::read(&written).unwrap()), expected);
    }
}

#[test]
fn lines_that_are_no_events_are_refused() {
    for (text, message) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("[]", "not a JSON object"),
        ("{}", "no key that is an event, like `process_exec`"),
        (r#"{"process_exce":{}}"#, "`process_exce` is no key that serin writes here"),
        (
            r#"{"process_exec":{},"process_exit":{}}"#,
            "both `process_exec` and `process_exit`: one key is an event, like `process_exec`",
        ),
        (
            r#"{"process_exec":{"process":{"pid":"x"}}}"#,
            "process_exec.process.pid: \"x\" is no number that this can be",
        ),
        (
            r#"{"process_exec":{"process":{"pid":-1}}}"#,
            "process_exec.process.pid: -1 is no number that this can be",
        ),
        (r#"{"process_exec":{"process":{"cwd":1}}}"#, "process_exec.process.cwd: not a string"),
        (r#"{"process_exec":{"status":1}}"#, "process_exec: `status` is no key that serin writes here"),
        (
            r#"{"process_kprobe":{"args":[{"string_arg":"a"},{"str":"b"}]}}"#,
            "process_kprobe.args[1]: `str` is no key that serin writes here",
        ),
        (
            r#"{"process_kprobe":{"args":[{"file_arg":{"permission":"rw"}}]}}"#,
            "process_kprobe.args[0].file_arg.permission: `rw` is not like `-rw-r--r--`",
        ),
        (
            r#"{"process_kprobe":{"args":[{"sock_arg":{"family":"AF_FOO"}}]}}"#,
            "process_kprobe.args[0].sock_arg.family: `AF_FOO` is neither a name nor a number",
        ),
        (
            r#"{"process_kprobe":{"args":[{"sock_arg":{"port":7}}]}}"#,
            "process_kprobe.args[0].sock_arg: `port` is no key that serin writes here",
        ),
        (
            r#"{"process_kprobe":{"args":[{"bytes_arg":"*"}]}}"#,
            "process_kprobe.args[0].bytes_arg: not base64",
        ),
        (r#"{"process_exit":{"signal":"SIGFOO"}}"#, "process_exit.signal: `SIGFOO` is no signal"),
        (r#"{"process_exec":{},"time":"now"}"#, "time: `now` is not a time like 2023-11-14T22:13:20.5Z"),
        (
            r#"{"process_exec":{},"serin":{"alerts":[{"severity":"bad"}]}}"#,
            "serin.alerts[0].severity: `bad` is no severity",
        ),
    ] {
        assert_eq!(json::read(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn fixtures_may_say_more() {
    let event = json::read(
        r#"{"process_exec":{"process":{"pid":1,"arguments":["a b","\"c"],"cgroup":"/x","uid":1000}}}"#,
    )
    .unwrap();
    let process = event.process.unwrap();
    assert_eq!(
        (process.arguments.as_slice(), &*process.cgroup),
        (&["a b".to_owned(), "\"c".to_owned()][..], "/x")
    );
}
