//! The end-to-end tests on each test kernel, as many machines at once as there are processors.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::report::Report;
use crate::vm::{self, ErrorInjection, Kernel, Machine};

/// Time for one kernel, which shares the processors with others.
const TIMEOUT: Duration = Duration::from_secs(2400);

/// The kernel on which everything is tested; the others get the scenarios that may come out differently there.
const EVERYTHING: &str = "debian-6.12";

/// The kernel on which registers can be set at places of programs; all else is tested on the others.
const OF_PROGRAMS: &str = "debian-6.18";

/// A kernel with what its lines begin with.
struct Guest {
    label: &'static str,
    kernel: Kernel,
    /// Which scenarios run there: what `SERIN_TEST_SUBJECTS` names.
    subjects: &'static str,
}

/// Runs the end-to-end tests in every kernel; one report each.
pub(crate) fn all(arguments: &[String]) -> Result<Vec<Report>> {
    let mut guests = Vec::new();
    // The one that takes longest first: the others share the processor that is left.
    let guest = |label, kernel, subjects| Guest {
        label,
        kernel,
        subjects: if arguments.is_empty() { subjects } else { "all" },
    };
    guests.push(guest(EVERYTHING, Kernel::find(EVERYTHING)?, "all"));
    guests.push(guest("debian-6.1", Kernel::find("debian-6.1")?, "kernel"));
    let mut left_out = Vec::new();
    match Kernel::error_injection()? {
        ErrorInjection::Ready(kernel) => guests.push(guest("slim", kernel, "kernel")),
        ErrorInjection::Missing(how) => left_out.push(without_error_injection(&how)),
    }
    match Kernel::find(OF_PROGRAMS) {
        Ok(kernel) => guests.push(guest(OF_PROGRAMS, kernel, "programs")),
        Err(error) => left_out.push(without_newer(&format!("{error:#}"))),
    }
    let mut reports = side_by_side(guests, arguments)?;
    reports.extend(left_out);
    Ok(reports)
}

fn without_newer(how: &str) -> Report {
    let mut report = Report::new(format!("end to end on {}", OF_PROGRAMS));
    report.totals.skipped = 1;
    report.notes.push(format!("left out, Override at places of programs included: {how}"));
    report
}

fn without_error_injection(how: &str) -> Report {
    let mut report = Report::new("end to end on a kernel with error injection");
    report.totals.skipped = 1;
    report.notes.push(format!("left out, Override by bpf_override_return included: {how}"));
    report
}

/// Each worker takes the next kernel until none is left; the reports in the order of the kernels.
fn side_by_side(guests: Vec<Guest>, arguments: &[String]) -> Result<Vec<Report>> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(guests.len());
    let queue = Mutex::new(guests.into_iter().enumerate().collect::<VecDeque<_>>());
    let next = || queue.lock().ok()?.pop_front();
    let work = || -> Result<Vec<(usize, Report)>> {
        std::iter::from_fn(next).map(|(index, guest)| Ok((index, in_kernel(&guest, arguments)?))).collect()
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        started.into_iter().map(|worker| worker.join()).collect()
    });
    let mut reports = Vec::new();
    for worker in ended {
        reports.extend(worker.map_err(|_| anyhow!("a thread that ran a machine panicked"))??);
    }
    reports.sort_by_key(|(index, _)| *index);
    Ok(reports.into_iter().map(|(_, report)| report).collect())
}

fn in_kernel(guest: &Guest, arguments: &[String]) -> Result<Report> {
    let title = format!("end to end on {} in qemu", guest.kernel.name);
    println!("\n=== {title}: lines that begin with {}", guest.label);
    let machine = Machine { memory: 2048, cpus: 2, timeout: TIMEOUT, count_instructions: false };
    let mut report = Report::new(title);
    let (subjects, scenarios) = (guest.subjects, arguments.join(" "));
    let command = format!("SERIN_TEST_SUBJECTS={subjects} target/release/serin-tests {scenarios}");
    let status = vm::run(&guest.kernel, &machine, &command, &mut |line| {
        println!("{}: {line}", guest.label);
        report.read_line(line);
    })?;
    let how = match status {
        vm::TIMED_OUT => "a time-out".to_owned(),
        vm::PANICKED => "a panic of the kernel".to_owned(),
        status => format!("status {status}"),
    };
    report.ended(status == 0, &how);
    Ok(report)
}
