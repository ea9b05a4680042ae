#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;

fn parse(yaml: &str) -> Result<SinkConfig, String> {
    serde_yaml::from_str(yaml).map_err(|error| error.to_string())
}

#[test]
fn reads_kinds() {
    let file = |path: &str| FileConfig::new(path);
    for (yaml, expected) in [
        ("stdout: {}", SinkKind::Stdout { format: Format::Json }),
        ("stdout: { format: json }", SinkKind::Stdout { format: Format::Json }),
        ("stdout: { format: pretty }", SinkKind::Stdout { format: Format::Pretty }),
        ("file: { path: /a b }", SinkKind::File(file("/a b"))),
        (
            "file: { path: /a, format: compact }",
            SinkKind::File(FileConfig { format: Format::Compact, ..file("/a") }),
        ),
        (
            "file: { path: /a, mode: '0640', sync: 5s, rotate: { size: 1MiB, age: 1d, keep: 3, compress: gzip } }",
            SinkKind::File(FileConfig {
                mode: 0o640,
                sync: Sync::Every(Duration::from_secs(5)),
                rotate: Rotation {
                    size: Some(1 << 20),
                    age: Some(Duration::from_secs(86_400)),
                    keep: Some(3),
                    compress: true,
                },
                ..file("/a")
            }),
        ),
        (
            "syslog: { address: 'tcp://[::1]:601', format: compact, facility: local4 }",
            SinkKind::Syslog(SyslogConfig {
                address: SyslogAddress::Tcp("[::1]:601".into()),
                format: Format::Compact,
                facility: Facility(20),
            }),
        ),
        (
            "http: { url: 'https://logs.test/in', batch: 10, linger: 0s, timeout: 1s, compress: gzip }",
            SinkKind::Http(HttpConfig {
                batch: 10,
                linger: Duration::ZERO,
                timeout: Duration::from_secs(1),
                compress: true,
                ..HttpConfig::new("https://logs.test/in".parse().unwrap())
            }),
        ),
        (
            "otlp: { url: 'http://127.0.0.1:4318/v1/logs' }",
            SinkKind::Otlp(HttpConfig::new("http://127.0.0.1:4318/v1/logs".parse().unwrap())),
        ),
    ] {
        assert_eq!(parse(yaml).unwrap(), SinkConfig::new(expected), "{yaml}");
    }
}

#[test]
fn headers_are_no_part_of_messages() {
    let yaml = "http: { url: 'http://logs.test/in?token=secret', headers: { Authorization: Bearer secret } }";
    let sink = parse(yaml).unwrap();
    assert_eq!(sink.name(), "http http://logs.test/in");
    let SinkKind::Http(http) = sink.kind else { panic!("not http") };
    assert_eq!(http.headers["authorization"], "Bearer secret");
    assert!(!format!("{:?}", http.headers).contains("secret"));
}

#[test]
fn reads_what_all_kinds_have() {
    let sink = parse(
        "{ stdout: {}, allow: [{ kinds: [loss] }], deny: [{ policies: [x] }], overflow: drop, queue: 7 }",
    )
    .unwrap();
    assert_eq!((sink.filter.allow.len(), sink.filter.deny.len()), (1, 1));
    assert_eq!((sink.overflow, sink.queue), (Overflow::Drop, 7));
}

#[test]
fn spools_are_not_shared() {
    let sink = |path: &str| {
        parse(&format!("{{ http: {{ url: 'http://logs.test' }}, spool: {{ path: '{path}', size: 16MiB }} }}"))
            .unwrap()
    };
    let others = [sink("/a"), parse("stdout: {}").unwrap(), sink("/b")];
    assert_eq!(SinkConfig::shared_spool(&others), None);
    let spool = SpoolConfig { path: "/a".into(), size: 16 << 20, sync: Sync::Never };
    for same in ["/a", "//a", "/./a/"] {
        let sinks = [&others[..], &[sink(same)]].concat();
        assert_eq!(SinkConfig::shared_spool(&sinks), Some((3, &spool)), "{same}");
    }
}

#[test]
fn refuses_everything_else() {
    for (yaml, message) in [
        ("stdotu: {}", "unknown field `stdotu`, expected one of `stdout`, `file`, `syslog`, `http`, `otlp`"),
        ("stdout: { fromat: json }", "unknown field `fromat`, expected `format`"),
        ("stdout: { format: xml }", "unknown variant `xml`, expected one of `json`, `compact`, `pretty`"),
        ("stdout:", "a sink needs a kind; write `- stdout: { format: json }`"),
        ("{}", "a sink needs a kind"),
        ("file: {}", "missing field `path`"),
        ("file: { path: serin.json }", "relative path `serin.json`; write an absolute one"),
        ("{ stdout: {}, file: { path: /a } }", "a sink is of one kind"),
        ("stdout", "invalid type: string \"stdout\""),
        ("{ stdout: {}, overflow: wait }", "`wait` is not known: write `block` or `drop`"),
        ("{ stdout: {}, queue: 0 }", "0 waiting events is out of bounds"),
        ("{ stdout: {}, allow: [{}] }", "an empty filter"),
        (
            "{ stdout: { format: compact }, fields: { include: [a] } }",
            "leave them out with `format: compact`",
        ),
        ("file: { path: /a, mode: 640 }", "`640` is not a mode: write octal digits in quotes"),
        ("file: { path: /a, mode: '0666' }", "others may not write it"),
        ("file: { path: /a, sync: sometimes }", "`sometimes` is not a duration"),
        ("file: { path: /a, rotate: { keep: 3 } }", "`rotate` needs a `size`"),
        ("file: { path: /a, rotate: { size: 1KiB } }", "1 KiB is out of bounds: allowed are 64 KiB"),
        ("file: { path: /a, rotate: { size: 1MiB, compress: zip } }", "`zip` is not known: write `gzip`"),
        ("syslog: { address: 127.0.0.1:514 }", "is not the address of a syslog server: write one like"),
        ("syslog: { address: 'udp://127.0.0.1' }", "is not the address of a syslog server"),
        ("syslog: { address: 'unix:dev/log' }", "is not the address of a syslog server"),
        ("syslog: { address: 'unix:/dev/log', format: pretty }", "a syslog message is one line"),
        (
            "syslog: { address: 'unix:/dev/log', facility: mine }",
            "`mine` is not a facility: write one of user",
        ),
        ("http: { url: logs.test }", "`logs.test` is not a URL of a server"),
        ("http: { url: 'http://me:secret@logs.test' }", "write `headers: { Authorization"),
        ("http: { url: 'http://logs.test', headers: { 'a b': c } }", "`a b` is not the name of a header"),
        ("http: { url: 'http://logs.test', headers: { Content-Type: c } }", "is set by the sink itself"),
        ("http: { url: 'http://logs.test', headers: { a: \"b\\nc\" } }", "visible text on one line"),
        ("http: { url: 'http://logs.test', batch: 0 }", "0 events in a request is out of bounds"),
        ("otlp: { url: 'http://logs.test', timeout: 1ms }", "1 ms is out of bounds: allowed are 100 ms"),
        (
            "{ syslog: { address: 'tcp://logs.test:601' }, spool: { path: /a, size: 1MiB } }",
            "nobody acknowledges what goes to syslog tcp://logs.test:601: leave it out, or use `http` or `otlp`",
        ),
        ("{ stdout: {}, spool: { path: /a, size: 1MiB } }", "nobody acknowledges what goes to stdout"),
        (
            "{ http: { url: 'http://logs.test' }, spool: { path: a, size: 1MiB } }",
            "write one like `/var/lib/serin",
        ),
        ("{ http: { url: 'http://logs.test' }, spool: { path: /a, size: 1KiB } }", "allowed are 1024 KiB to"),
        ("{ http: { url: 'http://logs.test' }, spool: { path: /a } }", "missing field `size`"),
        (
            "{ http: { url: 'http://logs.test' }, spool: { path: /a, size: 1MiB, sync: often } }",
            "`often` is not a duration",
        ),
        ("{ http: { url: 'http://logs.test' }, spool: { size: 1MiB } }", "missing field `path`"),
    ] {
        let error = parse(yaml).unwrap_err();
        assert!(error.contains(message), "{yaml}: {error}");
    }
}

#[test]
fn a_refusal_names_the_line_of_its_entry() {
    let spool = "spool: { path: /a, size: 1MiB }";
    for (entry, line) in [
        (&format!("- syslog: {{ address: 'unix:/dev/log' }}\n  {spool}"), 3),
        (&"- {}".to_owned(), 3),
        (&"- stdout: {}\n  file: { path: /a }".to_owned(), 3),
        (&"- stdout: {}\n  overflow: wait".to_owned(), 4),
        (&"- stdout: {}\n  queues: 7".to_owned(), 4),
        (&format!("- http: {{ url: 'http://logs.test' }}\n  {}", spool.replace("1MiB", "1KiB")), 4),
    ] {
        let yaml = format!("- stdout: {{}}\n- stdout: {{}}\n{entry}\n- stdout: {{}}\n");
        let error = serde_yaml::from_str::<Vec<SinkConfig>>(&yaml).unwrap_err();
        assert_eq!(error.location().map(|at| at.line()), Some(line), "{entry}: {error}");
    }
}
