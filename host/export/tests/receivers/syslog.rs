//! The sink `syslog` against rsyslog; without it these tests say so and show nothing.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serin_export::Exporter;

use crate::{LONG, count, counters, events, exporter};

const RSYSLOGD: &str = "/usr/sbin/rsyslogd";
/// What rsyslog has made of a message, field by field.
const TEMPLATE: &str =
    "%pri-text%|%timereported:::date-rfc3339%|%hostname%|%app-name%|%msgid%|%structured-data%|%msg%\\n";

/// rsyslog with its own configuration, killed when dropped.
struct Rsyslog {
    folder: tempfile::TempDir,
    daemon: Child,
}

impl Rsyslog {
    /// Starts it with these inputs; none if it is not installed.
    fn start(input: impl FnOnce(&Path) -> String) -> Option<Self> {
        if !Path::new(RSYSLOGD).exists() {
            eprintln!("left out, as {RSYSLOGD} is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let daemon = Self::spawn(folder.path(), &input(folder.path()));
        Some(Self { folder, daemon })
    }

    fn spawn(folder: &Path, input: &str) -> Child {
        let received = folder.join("received").display().to_string();
        let configuration = format!(
            "global(workDirectory=\"{work}\" maxMessageSize=\"64k\")\n\
             {input}\n\
             template(name=\"fields\" type=\"string\" string=\"{TEMPLATE}\")\n\
             action(type=\"omfile\" file=\"{received}\" template=\"fields\")\n",
            work = folder.display(),
        );
        let file = folder.join("rsyslog.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(RSYSLOGD);
        command.arg("-n").arg("-f").arg(&file).arg("-i").arg(folder.join("pid"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn received(&self) -> PathBuf {
        self.folder.path().join("received")
    }

    /// Waits for this many messages.
    fn wait_for(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + LONG;
        loop {
            let text = fs::read_to_string(self.received()).unwrap_or_default();
            if text.lines().count() >= count || Instant::now() > deadline {
                return text.lines().map(str::to_owned).collect();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn counts(messages: &[String]) -> Vec<u64> {
    messages.iter().map(|message| count(message.rsplit_once('|').unwrap().1.trim_start())).collect()
}

/// Sends a message until one has arrived: datagrams to nobody are lost, or refused.
fn until_it_listens(exporter: &mut Exporter, rsyslog: &Rsyslog) {
    while !rsyslog.received().exists() {
        exporter.export(events(1, 1)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn rsyslog_reads_every_field_from_a_unix_socket() {
    let socket = |folder: &Path| folder.join("log").display().to_string();
    let input = |folder: &Path| {
        format!(
            "module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             input(type=\"imuxsock\" Socket=\"{}\" UseSpecialParser=\"off\" IgnoreTimestamp=\"off\" RateLimit.Interval=\"0\")",
            socket(folder)
        )
    };
    let Some(rsyslog) = Rsyslog::start(input) else { return };
    let yaml = format!(
        "- syslog: {{ address: 'unix:{}', facility: local4 }}\n  fields: {{ include: [count] }}",
        socket(rsyslog.folder.path())
    );
    let mut exporter = exporter(&yaml);
    until_it_listens(&mut exporter, &rsyslog);
    exporter.export(events(10, 1000)).unwrap();
    exporter.close(LONG);
    let written = usize::try_from(counters(&exporter).written).unwrap();
    let messages = rsyslog.wait_for(written);
    let json = r#"{"loss":{"count":"1009"},"node_name":"gull","time":"2023-11-14T22:13:20.123456789Z"}"#;
    let last = messages.last().unwrap().replace("|-| {", "|-|{").replace("+00:00|", "Z|");
    assert_eq!(last, format!("local4.warning|2023-11-14T22:13:20.123456Z|gull|serin|loss|-|{json}"));
    assert_eq!(counts(&messages[messages.len() - 1000..]), (10..1010).collect::<Vec<_>>());
}

#[test]
fn rsyslog_reads_messages_by_udp() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let input = |_: &Path| {
        format!("module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")")
    };
    let Some(rsyslog) = Rsyslog::start(input) else { return };
    let mut exporter = exporter(&format!("- syslog: {{ address: 'udp://127.0.0.1:{port}' }}"));
    until_it_listens(&mut exporter, &rsyslog);
    exporter.export(events(10, 20)).unwrap();
    // Too long for a datagram: lost, and those after it are not.
    let mut long = events(30, 1);
    long[0].node_name = "g".repeat(70_000).into();
    exporter.export(long).unwrap();
    exporter.export(events(31, 1)).unwrap();
    exporter.close(LONG);
    let deadline = Instant::now() + LONG;
    while !counts(&rsyslog.wait_for(1)).contains(&31) && Instant::now() < deadline {}
    let arrived: Vec<_> = counts(&rsyslog.wait_for(1)).into_iter().filter(|count| *count >= 10).collect();
    assert_eq!(arrived, (10..30).chain([31]).collect::<Vec<_>>());
    assert!(counters(&exporter).lost >= 1);
}

#[test]
fn rsyslog_may_be_away_for_a_while_when_asked_by_tcp() {
    let port = free_port();
    let input = |_: &Path| {
        format!("module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")")
    };
    let Some(mut rsyslog) = Rsyslog::start(input) else { return };
    let mut exporter = exporter(&format!("- syslog: {{ address: 'tcp://127.0.0.1:{port}' }}"));
    exporter.export(events(1, 500)).unwrap();
    rsyslog.wait_for(500);
    rsyslog.daemon.kill().unwrap();
    rsyslog.daemon.wait().unwrap();
    exporter.export(events(501, 500)).unwrap();
    while counters(&exporter).retries == 0 {}
    let _ = fs::remove_file(rsyslog.folder.path().join("pid"));
    rsyslog.daemon = Rsyslog::spawn(rsyslog.folder.path(), &input(rsyslog.folder.path()));
    exporter.close(LONG);
    let mut arrived = counts(&rsyslog.wait_for(1000));
    // At least once: what was under way may have arrived.
    arrived.dedup();
    assert_eq!(arrived, (1..=1000).collect::<Vec<_>>());
    assert_eq!(counters(&exporter).lost, 0);
}
