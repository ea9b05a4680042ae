//! A full cache.

use super::*;

const CAPACITY: usize = 32;

fn numbered(number: u32) -> Task {
    task(1000 + number, SECOND + u64::from(number))
}

/// A full cache of processes that are in /proc, the lower numbers seen longer ago.
fn full() -> Rig {
    let mut rig = Rig::with_capacity(CAPACITY);
    for number in 0..CAPACITY as u32 {
        let task = numbered(number);
        rig.in_proc(task.pid, 0, 100, "/bin/found");
        rig.exec(10 * SECOND + u64::from(number), task, Task::default(), "/bin/run");
    }
    assert_eq!((rig.cache.len(), rig.cache.counters()), (CAPACITY, Counters::default()));
    rig
}

fn start_one_more(rig: &mut Rig) -> Task {
    let task = task(9000, 19 * SECOND);
    rig.in_proc(task.pid, 0, 1_900, "/bin/found");
    rig.exec(19 * SECOND, task, Task::default(), "/bin/more");
    task
}

#[test]
fn exited_processes_go_first_and_in_order() {
    let mut rig = full();
    for number in [5, 3] {
        rig.exit(19 * SECOND, numbered(number), 0);
    }
    start_one_more(&mut rig);
    assert_eq!(rig.cache.counters(), Counters { evicted_exited: 1, ..Counters::default() });
    let kept = |rig: &mut Rig, number| process(&rig.hit(19 * SECOND, numbered(number))).binary == "/bin/run";
    assert!((0..CAPACITY as u32).filter(|number| *number != 5).all(|number| kept(&mut rig, number)));
}

#[test]
fn processes_whose_exit_was_lost_go_next() {
    let mut rig = full();
    for number in [8, 9] {
        rig.gone_from_proc(numbered(number).pid);
    }
    start_one_more(&mut rig);
    assert_eq!(rig.cache.counters(), Counters { reaped: 2, evicted_exited: 1, ..Counters::default() });
    assert_eq!(rig.cache.len(), CAPACITY);
    let kept = |rig: &mut Rig, number| process(&rig.hit(19 * SECOND, numbered(number))).binary == "/bin/run";
    assert!((0..8).chain(10..CAPACITY as u32).all(|number| kept(&mut rig, number)), "all that are alive");
}

#[test]
fn idle_processes_go_last_and_are_read_again() {
    let mut rig = full();
    rig.hit(18 * SECOND, numbered(0));
    start_one_more(&mut rig);
    assert_eq!(rig.cache.counters(), Counters { evicted_live: 2, ..Counters::default() }, "one in sixteen");
    let event = rig.hit(19 * SECOND, numbered(0));
    assert_eq!(process(&event).binary, "/bin/run", "seen lately");
    for number in [1, 2] {
        let event = rig.hit(19 * SECOND, numbered(number));
        assert_eq!(process(&event).binary, "/bin/found");
        assert!(process(&event).flags.miss);
    }
}

#[test]
fn never_holds_more_than_its_capacity() {
    for capacity in [1, 2, 7, 33] {
        let mut rig = Rig::with_capacity(capacity);
        for number in 0..200 {
            let task = numbered(number);
            rig.exec(10 * SECOND, task, Task::default(), "/bin/run");
            if number.is_multiple_of(3) {
                rig.exit(10 * SECOND, task, 0);
            }
            rig.fork(10 * SECOND, task, self::task(5000 + number, 11 * SECOND));
            assert!(rig.cache.len() <= capacity, "{} of {capacity} after {number}", rig.cache.len());
        }
        let counters = rig.cache.counters();
        assert!(counters.evicted_exited + counters.evicted_live > 0, "{counters:?}");
    }
}
