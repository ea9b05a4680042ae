//! Plugins that read files of the host, or ask for digests of programs: as far as that is granted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serin_event::{Event, EventKind, Process};
use serin_pipeline::{Inspection, MAX_GRANTED_FILE};
use support::{Setup, event, plugin};

fn users(grants: &str, passwd: &Path) -> String {
    let component = plugin("user-enrich");
    let passwd = passwd.display();
    format!("- name: users\n  component: {component}\n  config: {{ passwd: {passwd} }}\n{grants}")
}

fn granting(path: &Path) -> String {
    format!("  grants: {{ file: ['{}'] }}", path.display())
}

fn annotations(event: &Event) -> Vec<(&str, &str)> {
    event.annotations.iter().map(|a| (&*a.key, &*a.value)).collect()
}

#[test]
fn user_enrich_names_users() {
    let setup = Setup::new().with("passwd", b"root:x:0:0::/root:/bin/sh\ncanary:x:1000:1000::/:\n");
    let passwd = setup.path("passwd");
    let mut pipeline = setup.load(&users(&granting(&passwd), &passwd)).unwrap();
    let mut events = vec![event(EventKind::Exec), event(EventKind::Loss { cpu: 0, count: 1 })];
    pipeline.process(&mut events);
    assert_eq!(annotations(&events[0])[0], ("user.name", "canary"));
    assert_eq!(annotations(&events[1]), []);
}

#[test]
fn nothing_is_read_but_what_is_granted() {
    let setup = Setup::new().with("granted", b"x:x:1:").with("other", b"x:x:1:").with("huge", b"");
    let (granted, link, fifo, huge) =
        (setup.path("granted"), setup.path("link"), setup.path("fifo"), setup.path("huge"));
    std::os::unix::fs::symlink("other", &link).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    std::fs::File::options().write(true).open(&huge).unwrap().set_len(MAX_GRANTED_FILE + 1).unwrap();
    for (asked, granted, message) in [
        (setup.path("other"), granted.clone(), "is not granted"),
        (link.clone(), link, "is no regular file, or behind a symbolic link"),
        (fifo.clone(), fifo, "is no regular file"),
        ("/dev/zero".into(), "/dev/zero".into(), "is no regular file"),
        (huge.clone(), huge, "has more than 1 MiB"),
        (setup.path("none"), setup.path("none"), "is not there"),
    ] {
        let refusal = setup.refusal(&users(&granting(&granted), &asked));
        assert!(refusal.contains(message), "{}: {refusal}", asked.display());
    }
    let refusal = setup.refusal(&users("", &granted));
    assert!(refusal.contains("write `grants: { file: [/path/of/a/file] }`"), "{refusal}");
}

#[test]
fn hash_enrich_tells_digests() {
    let component = plugin("hash-enrich");
    let setup = Setup::new().with("abc", b"abc");
    let entry =
        format!("- name: hashes\n  component: {component}\n  grants: {{ hash: {{ maxSize: 1KiB }} }}");
    let mut pipeline = setup.load(&entry).unwrap();
    let run = |binary: &Path| {
        let process = Process { pid: u32::MAX, binary: binary.display().to_string(), ..Process::default() };
        Event { process: Some(Arc::new(process)), ..event(EventKind::Exec) }
    };
    let mut digest = |binary: &Path| {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let mut events = vec![run(binary)];
            pipeline.process(&mut events);
            let (key, value) = annotations(&events[0])[0];
            if value != "pending" || Instant::now() > end {
                return format!("{key} {value}");
            }
        }
    };
    let of_abc = "process.sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest(&setup.path("abc")), of_abc);
    assert_eq!(digest(Path::new("/nonexistent")), "process.sha256_missing gone");
    assert_eq!(digest(Path::new("/dev/zero")), "process.sha256_missing not a regular file");
    let large = std::env::current_exe().unwrap();
    assert_eq!(digest(&large), "process.sha256_missing too large");
}

#[test]
fn whoever_reads_a_file_when_it_starts_can_be_looked_at() {
    let inspection = Inspection::of(Path::new(&plugin("user-enrich")), "null").unwrap();
    assert_eq!(inspection.info.unwrap().name, "user-enrich");
    assert_eq!(inspection.grants, ["file: [/path/of/a/file]"]);
}
