//! Processes that are only known from /proc.

use super::*;

const INIT: Task = task(1, 50_000_000);
/// Started in tick 1234; /proc does not tell the rest.
const SSHD: Task = task(900, 12_345_678_901);

fn with_proc() -> Rig {
    let rig = Rig::new();
    rig.in_proc(1, 0, 5, "/sbin/init");
    rig.in_proc(900, 1, 1_234, "/usr/sbin/sshd");
    fs::create_dir(rig.procfs.path().join("sys")).unwrap();
    rig
}

#[test]
fn bootstrap_finds_what_is_there() {
    let mut rig = with_proc();
    rig.bootstrap();
    assert_eq!(rig.cache.len(), 2);
    let event = rig.hit(20 * SECOND, SSHD);
    assert_eq!(
        *process(&event),
        Process {
            exec_id: id(12_340_000_000, 900),
            pid: 900,
            uid: 1001,
            cwd: "/srv".into(),
            binary: "/usr/sbin/sshd".into(),
            arguments: vec!["-x".into(), "a b".into()],
            flags: Flags { proc_fs: true, ..Flags::default() },
            start_time: BOOT + 12_340_000_000,
            auid: 1000,
            parent_exec_id: id(50_000_000, 1),
            cgroup_id: 0,
            cgroup: "/system.slice/ssh.service".into(),
            pod: None,
        }
    );
    assert_eq!((parent(&event).pid, &parent(&event).parent_exec_id), (1, &id(1, 0)));
    assert_eq!(parent(&rig.hit(20 * SECOND, INIT)).binary, "<kernel>");
    assert_eq!(rig.cache.counters(), Counters::default());
}

#[test]
fn parents_are_found_whatever_the_order() {
    let rig = with_proc();
    let mut all: Vec<_> = crate::scan(rig.procfs.path()).unwrap().collect();
    for _ in 0..2 {
        all.reverse();
        let config = Config { procfs: rig.procfs.path().to_owned(), ..Config::new(NODE) };
        let mut cache = ProcessCache::new(config, Clock::booted_at(BOOT));
        cache.bootstrap(all.clone());
        let mut out = Vec::new();
        cache.apply(Record::Hook(hit(20 * SECOND, SSHD)), &rig.hooks, &mut out);
        assert_eq!(parent(&out[0]).binary, "/sbin/init");
    }
}

#[test]
fn fork_and_exec_of_a_process_found_in_proc() {
    let mut rig = with_proc();
    rig.bootstrap();
    let child = task(901, 21 * SECOND);
    rig.fork(21 * SECOND, SSHD, child);
    let event = rig.exec(22 * SECOND, child, SSHD, "/bin/sh");
    assert_eq!(process(&event).parent_exec_id, id(12_340_000_000, 900));
    assert_eq!(parent(&event).binary, "/usr/sbin/sshd");
    assert_eq!(process(&event).cgroup, "/system.slice/ssh.service", "inherited");
    let exited = rig.exit(23 * SECOND, SSHD, 0);
    assert!(process(&exited).flags.proc_fs);
    rig.hit(26 * SECOND, INIT);
    assert_eq!(rig.cache.len(), 2, "sshd is forgotten");
}

#[test]
fn records_that_came_before_the_scan_win() {
    let mut rig = with_proc();
    rig.exec(15 * SECOND, SSHD, INIT, "/usr/sbin/sshd-session");
    rig.bootstrap();
    let event = rig.hit(20 * SECOND, SSHD);
    assert_eq!(process(&event).binary, "/usr/sbin/sshd-session");
}

#[test]
fn unknown_process_is_read_from_proc() {
    let mut rig = with_proc();
    let event = rig.hit(20 * SECOND, SSHD);
    assert_eq!(process(&event).flags, Flags { miss: true, ..Flags::default() });
    assert_eq!(process(&event).binary, "/usr/sbin/sshd");
    assert_eq!(process(&event).exec_id, id(SSHD.start_time, 900), "the record tells the start exactly");
    assert_eq!((event.parent.clone(), &process(&event).parent_exec_id), (None, &id(50_000_000, 1)));
    rig.hit(21 * SECOND, SSHD);
    assert_eq!(rig.cache.counters(), Counters { misses: 1, ..Counters::default() }, "read once");
}

#[test]
fn unknown_process_has_a_known_parent() {
    let mut rig = with_proc();
    rig.exec(SECOND, INIT, Task::default(), "/sbin/init");
    let event = rig.hit(20 * SECOND, SSHD);
    assert_eq!(parent(&event).exec_id, id(SECOND, 1));
    assert_eq!(process(&event).parent_exec_id, id(SECOND, 1));
}

#[test]
fn exit_of_an_unknown_process_tells_what_is_known() {
    let mut rig = Rig::new();
    let event = rig.exit(20 * SECOND, SSHD, 9);
    assert_eq!(event.kind, EventKind::Exit { status: 0, signal: 9 });
    assert_eq!(
        *process(&event),
        Process {
            exec_id: id(SSHD.start_time, 900),
            pid: 900,
            flags: Flags { miss: true, ..Flags::default() },
            start_time: BOOT + SSHD.start_time,
            auid: u32::MAX,
            ..Process::default()
        }
    );
    assert_eq!(rig.cache.counters(), Counters { misses: 1, unknown: 1, ..Counters::default() });
    rig.exit(30 * SECOND, INIT, 0);
    assert_eq!(rig.cache.len(), 1, "it was kept for the grace period only");
}

#[test]
fn another_process_with_the_same_id_is_not_taken_for_it() {
    let mut rig = with_proc();
    let earlier = task(900, SSHD.start_time - 20_000_000);
    let event = rig.hit(20 * SECOND, earlier);
    assert_eq!(process(&event).binary, "");
    assert_eq!(rig.cache.counters(), Counters { misses: 1, unknown: 1, ..Counters::default() });
    assert_eq!(process(&rig.hit(20 * SECOND, SSHD)).binary, "/usr/sbin/sshd");
}

#[test]
fn exec_makes_an_unknown_process_known_for_good() {
    let mut rig = Rig::new();
    rig.hit(20 * SECOND, SSHD);
    rig.exec(21 * SECOND, SSHD, Task::default(), "/usr/sbin/sshd");
    assert_eq!(process(&rig.hit(60 * SECOND, SSHD)).binary, "/usr/sbin/sshd");
}

#[test]
fn kernel_threads_have_their_name_in_brackets() {
    let mut rig = Rig::new();
    rig.in_proc(2, 0, 5, "kthreadd");
    fs::remove_file(rig.procfs.path().join("2/exe")).unwrap();
    fs::remove_file(rig.procfs.path().join("2/cwd")).unwrap();
    fs::write(rig.procfs.path().join("2/cmdline"), "").unwrap();
    rig.bootstrap();
    let event = rig.hit(20 * SECOND, task(2, 50_000_000));
    assert_eq!((process(&event).binary.as_str(), process(&event).arguments.len()), ("[kthreadd]", 0));
    assert!(process(&event).flags.error_cwd);
}

#[test]
fn long_command_lines_are_cut() {
    let mut rig = with_proc();
    fs::write(rig.procfs.path().join("900/cmdline"), format!("sshd\0{}\0", "x".repeat(10_000))).unwrap();
    rig.bootstrap();
    let event = rig.hit(20 * SECOND, SSHD);
    assert_eq!(process(&event).arguments, ["x".repeat(4096 - 5)]);
    assert!(process(&event).flags.truncated_arguments);
}

#[test]
fn proc_is_not_asked_without_end() {
    let mut rig = Rig::new();
    for pid in 1..=1_500 {
        rig.in_proc(pid, 0, 5, "/bin/x");
    }
    let found = |rig: &mut Rig, time, pids: std::ops::RangeInclusive<u32>| {
        pids.filter(|pid| process(&rig.hit(time, task(*pid, 50_000_000))).binary == "/bin/x").count()
    };
    assert_eq!(found(&mut rig, 20 * SECOND, 1..=1_200), 1_000);
    assert_eq!(found(&mut rig, 21 * SECOND, 1_201..=1_500), 300, "a second later");
}
