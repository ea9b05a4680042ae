//! What becomes of a process between its fork and the last record of it.

use super::*;

const SHELL: Task = task(100, SECOND);
const CHILD: Task = task(200, 5 * SECOND);

/// A rig in which a shell was started by process 0.
fn with_shell() -> Rig {
    let mut rig = Rig::new();
    rig.exec(2 * SECOND, SHELL, Task::default(), "/bin/sh");
    rig
}

#[test]
fn exec_tells_all_of_the_program() {
    let mut rig = with_shell();
    let record = Exec {
        arguments_truncated: true,
        binary_incomplete: true,
        ..exec(6 * SECOND, CHILD, SHELL, "/bin/ls")
    };
    let event = rig.apply(Record::Exec(record)).unwrap();
    assert_eq!(
        (event.kind.clone(), event.time, &*event.node_name),
        (EventKind::Exec, BOOT + 6 * SECOND, NODE)
    );
    assert_eq!(event.tid, 200);
    assert_eq!(
        *process(&event),
        Process {
            exec_id: id(6 * SECOND, 200),
            pid: 200,
            uid: 3,
            cwd: "/".into(),
            binary: "/bin/ls".into(),
            arguments: vec!["-l".into()],
            flags: Flags {
                execve: true,
                root_cwd: true,
                truncated_arguments: true,
                error_filename: true,
                ..Flags::default()
            },
            start_time: BOOT + 6 * SECOND,
            auid: 5,
            parent_exec_id: id(2 * SECOND, 100),
            cgroup_id: 0,
            cgroup: String::new(),
            pod: None,
        }
    );
    assert_eq!(parent(&event).binary, "/bin/sh");
    assert_eq!(rig.cache.counters(), Counters::default());
}

#[test]
fn first_process_is_a_child_of_the_kernel() {
    let mut rig = Rig::new();
    let event = rig.exec(2 * SECOND, task(1, SECOND), Task::default(), "/sbin/init");
    assert_eq!((parent(&event).pid, parent(&event).binary.as_str()), (0, "<kernel>"));
    assert_eq!(process(&event).parent_exec_id, id(1, 0));
}

#[test]
fn fork_and_exec_are_two_images_of_one_process() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    let forked = rig.hit(6 * SECOND, CHILD);
    let image = process(&forked);
    assert_eq!((image.exec_id.clone(), image.pid), (id(5 * SECOND, 200), 200));
    assert_eq!(
        (image.binary.as_str(), image.arguments.as_slice(), image.cwd.as_str()),
        ("/bin/sh", &["-l".into()][..], "/")
    );
    assert_eq!(image.flags, Flags { clone: true, ..Flags::default() });
    assert_eq!(image.start_time, BOOT + 5 * SECOND);
    assert_eq!((image.parent_exec_id.clone(), parent(&forked).pid), (id(2 * SECOND, 100), 100));

    let first = rig.exec(7 * SECOND, CHILD, SHELL, "/bin/env");
    assert_eq!(
        process(&first).flags,
        Flags { execve: true, clone: true, root_cwd: true, ..Flags::default() }
    );
    let second = rig.exec(8 * SECOND, CHILD, SHELL, "/bin/ls");
    assert_eq!(
        process(&second).flags,
        Flags { execve: true, root_cwd: true, ..Flags::default() },
        "no fork before"
    );
    assert_eq!(
        process(&second).parent_exec_id,
        id(2 * SECOND, 100),
        "the parent's, not the previous image's"
    );
    assert_eq!(process(&first).exec_id, id(7 * SECOND, 200), "the first image is what it was");
}

#[test]
fn fork_without_exec_exits_as_its_parents_program() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    let event = rig.exit(6 * SECOND, CHILD, 3 << 8);
    assert_eq!(event.kind, EventKind::Exit { status: 3, signal: 0 });
    assert_eq!((process(&event).pid, process(&event).binary.as_str()), (200, "/bin/sh"));
    assert_eq!(parent(&event).pid, 100);
}

#[test]
fn exit_codes() {
    for (code, status, signal) in
        [(0, 0, 0), (22 << 8, 22, 0), (9, 0, 9), (0x80 | 11, 0, 11), (255 << 8, 255, 0)]
    {
        let event = with_shell().exit(9 * SECOND, SHELL, code);
        assert_eq!(event.kind, EventKind::Exit { status, signal }, "code {code:#x}");
    }
}

#[test]
fn clone_parent_makes_a_sibling() {
    let mut rig = with_shell();
    rig.exec(6 * SECOND, CHILD, SHELL, "/bin/ls");
    let sibling = task(300, 7 * SECOND);
    rig.apply(Record::Fork(Fork { header: header(7 * SECOND, CHILD), child: sibling, parent: SHELL }));
    let event = rig.hit(8 * SECOND, sibling);
    assert_eq!(process(&event).binary, "/bin/ls", "runs what the caller runs");
    assert_eq!(parent(&event).pid, 100);
}

#[test]
fn exec_by_another_thread_is_the_process() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    let thread = Task { tid: 205, ..CHILD };
    assert_eq!(rig.hit(6 * SECOND, thread).tid, 205);
    let event = rig.exec(7 * SECOND, thread, SHELL, "/bin/ls");
    assert_eq!((process(&event).pid, event.tid), (200, 200), "the thread takes over the leader's id");
    assert_eq!(process(&rig.hit(8 * SECOND, CHILD)).binary, "/bin/ls");
    assert_eq!(rig.cache.counters(), Counters::default());
}

#[test]
fn child_keeps_the_parent_it_came_from() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    rig.exit(6 * SECOND, SHELL, 0);
    let event = rig.hit(60 * SECOND, CHILD);
    assert_eq!(parent(&event).exec_id, id(2 * SECOND, 100), "though it was forgotten long ago");
    assert_eq!(process(&event).parent_exec_id, parent(&event).exec_id);
    assert_eq!(rig.cache.len(), 1);
}

#[test]
fn exec_after_the_parents_exit_has_the_reaper_as_parent() {
    let mut rig = Rig::new();
    let init = task(1, 1);
    rig.exec(SECOND, init, Task::default(), "/sbin/init");
    rig.exec(2 * SECOND, SHELL, init, "/bin/sh");
    rig.fork(5 * SECOND, SHELL, CHILD);
    rig.exit(6 * SECOND, SHELL, 0);
    let event = rig.exec(7 * SECOND, CHILD, init, "/bin/daemon");
    assert_eq!(parent(&event).binary, "/sbin/init");
    assert_eq!(process(&event).parent_exec_id, id(SECOND, 1));
}

#[test]
fn late_records_find_an_exited_process() {
    let mut rig = with_shell();
    rig.exit(10 * SECOND, SHELL, 0);
    assert_eq!(process(&rig.hit(12 * SECOND - 1, SHELL)).binary, "/bin/sh");
    assert_eq!(rig.cache.counters().misses, 0);
    let event = rig.hit(12 * SECOND, SHELL);
    assert_eq!((process(&event).binary.as_str(), rig.cache.counters().unknown), ("", 1), "forgotten");
}

#[test]
fn exec_that_comes_after_the_exit_is_told_and_forgotten() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    rig.exit(7 * SECOND, CHILD, 0);
    let event = rig.exec(6 * SECOND, CHILD, SHELL, "/bin/ls");
    assert_eq!((process(&event).binary.as_str(), parent(&event).pid), ("/bin/ls", 100));
    rig.hit(9 * SECOND, SHELL);
    assert_eq!(rig.cache.len(), 1, "only the shell is left");
}

#[test]
fn fork_that_comes_after_the_exec_changes_nothing() {
    let mut rig = with_shell();
    rig.exec(6 * SECOND, CHILD, SHELL, "/bin/ls");
    rig.fork(5 * SECOND, SHELL, CHILD);
    assert_eq!(process(&rig.hit(7 * SECOND, CHILD)).binary, "/bin/ls");
}

#[test]
fn reused_id_is_another_process() {
    let mut rig = with_shell();
    rig.exec(6 * SECOND, CHILD, SHELL, "/bin/ls");
    rig.exit(7 * SECOND, CHILD, 0);
    let later = task(200, 7 * SECOND + 1);
    rig.fork(7 * SECOND + 1, SHELL, later);
    assert_eq!(process(&rig.hit(8 * SECOND, later)).binary, "/bin/sh");
    assert_eq!(process(&rig.hit(8 * SECOND, CHILD)).binary, "/bin/ls", "the old one is still found");
    rig.hit(30 * SECOND, later);
    assert_eq!(rig.cache.len(), 2, "the shell and the later one");
}

#[test]
fn id_reused_within_a_tick_takes_the_place() {
    let mut rig = with_shell();
    rig.fork(5 * SECOND, SHELL, CHILD);
    rig.exit(5 * SECOND + 1000, CHILD, 0);
    let later = task(200, 5 * SECOND + 2000);
    rig.fork(5 * SECOND + 2000, SHELL, later);
    rig.exec(6 * SECOND, later, SHELL, "/bin/ls");
    assert_eq!(process(&rig.hit(30 * SECOND, later)).binary, "/bin/ls", "not forgotten with the old one");
}

#[test]
fn hook_hits_carry_the_hooks_texts() {
    let mut rig = with_shell();
    let record =
        HookHit { failed_closed: true, unenforced: true, ..hit(4 * SECOND, Task { tid: 101, ..SHELL }) };
    let event = rig.apply(Record::Hook(record)).unwrap();
    let expected = Hook {
        place: Place::Function,
        function_name: "fd_install".into(),
        policy_name: "files".into(),
        message: "a file".into(),
        tags: Arc::new(["t".into()]),
        arguments: vec![(Argument::Int(3), "fd".into())],
        actions: Arc::new(["KPROBE_ACTION_SIGKILL"]),
        return_actions: Arc::new([]),
        data: vec![(Argument::Size(4), "".into())],
        returned: Some((Argument::Int(-9), "status".into())),
        selector: 1,
        kernel_stack: Vec::new(),
        user_stack: Vec::new(),
        ima_hash: None,
        failed_closed: true,
        unenforced: true,
    };
    assert_eq!((event.kind, event.tid), (EventKind::Kprobe(expected), 101));
    assert_eq!(event.process.unwrap().pid, 100);
}

#[test]
fn hits_of_unknown_hooks_are_counted() {
    let mut rig = with_shell();
    assert_eq!(rig.apply(Record::Hook(HookHit { hook: 8, ..hit(4 * SECOND, SHELL) })), None);
    assert_eq!(rig.cache.counters().unknown_hooks, 1);
    let event = rig.apply(Record::Hook(HookHit { selector: 9, ..hit(4 * SECOND, SHELL) })).unwrap();
    let EventKind::Kprobe(hook) = event.kind else { panic!("{event:?}") };
    assert!(hook.actions.is_empty(), "no such selector");
}

#[test]
fn losses_become_events() {
    let mut rig = Rig::new();
    let event = rig.apply(Record::Loss(Loss { cpu: 3, count: 12, time: 4 * SECOND })).unwrap();
    assert_eq!((event.kind, event.time), (EventKind::Loss { cpu: 3, count: 12 }, BOOT + 4 * SECOND));
    assert_eq!((event.process, event.parent, event.tid), (None, None, 0));
}

#[test]
fn mapped_files_belong_to_the_process_that_has_the_id_now() {
    let mut rig = Rig::new();
    let mapping = |time, pid| {
        let (path, build_id) = ("/usr/lib/libc.so.6".into(), vec![1, 2]);
        Record::Mapping(record::Mapping { cpu: 0, time, pid, tid: pid + 1, path, build_id })
    };
    rig.exec(10 * SECOND, task(100, SECOND), task(1, 0), "/bin/old");
    rig.exit(11 * SECOND, task(100, SECOND), 0);
    rig.exec(12 * SECOND, task(100, 12 * SECOND), task(1, 0), "/bin/new");
    let event = rig.apply(mapping(13 * SECOND, 100)).unwrap();
    assert_eq!((event.process.unwrap().binary.as_str(), event.tid), ("/bin/new", 101));
    let EventKind::Loader(mapped) = event.kind else { panic!("{:?}", event.kind) };
    assert_eq!((mapped.path.as_str(), mapped.build_id_text().as_str()), ("/usr/lib/libc.so.6", "0102"));

    rig.in_proc(200, 1, 300, "/bin/unseen");
    let event = rig.apply(mapping(14 * SECOND, 200)).unwrap();
    assert_eq!(event.process.unwrap().binary, "/bin/unseen", "from /proc");
    let event = rig.apply(mapping(15 * SECOND, 300)).unwrap();
    assert_eq!(event.process.unwrap().pid, 300, "gone, but its id is known");
}
