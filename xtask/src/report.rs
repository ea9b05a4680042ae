//! What came of the tests, as their runners' lines tell it.

/// How many tests ended how.
#[derive(Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// What came of one part, for the summary.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) totals: Totals,
    /// What was exercised, and what was left out and why.
    pub(crate) notes: Vec<String>,
    /// Tests whose lines came, but not yet the runner's own count.
    uncounted: Totals,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Takes in a line of a test runner's output.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(totals) = parse_result(line) {
            self.totals.add(totals);
            self.uncounted = Totals::default();
        } else if let Some(fact) = line.strip_prefix("# ") {
            self.notes.push(fact.to_owned());
        } else if let Some((name, reason)) = parse_ignored(line) {
            self.uncounted.skipped += 1;
            self.notes.push(format!("skipped {name}: {reason}"));
        } else if line.starts_with("test ") && line.trim_end().ends_with("FAILED") {
            self.uncounted.failed += 1;
            self.notes.push(line.to_owned());
        } else if line.starts_with("test ") && line.trim_end().ends_with("... ok") {
            self.uncounted.passed += 1;
        }
    }

    /// What a runner did before it was cut off counts; one that failed without counting a failure still failed.
    pub(crate) fn ended(&mut self, success: bool, how: &str) {
        let uncounted = std::mem::take(&mut self.uncounted);
        let cut_off = uncounted.passed + uncounted.failed + uncounted.skipped > 0;
        self.totals.add(uncounted);
        if !success && (cut_off || self.totals.failed == 0) {
            self.totals.failed += 1;
            self.notes.push(format!("ended with {how}"));
        }
    }
}

/// Prints what came of every part and the sum; whether nothing failed.
pub(crate) fn summarise(reports: &[Report]) -> bool {
    let mut sum = Totals::default();
    println!("\n=== summary");
    for report in reports {
        println!("{}: {}", report.title, report.totals);
        for note in &report.notes {
            println!("    {note}");
        }
        sum.add(report.totals);
    }
    println!("\n{sum}");
    sum.failed == 0
}

impl Totals {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The counts in a line like `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn parse_result(line: &str) -> Option<Totals> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts
            .split(';')
            .find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    Some(Totals { passed: count("passed"), failed: count("failed"), skipped: count("ignored") })
}

/// Name and reason in a line like `test name ... ignored (reason)` or `test name ... ignored, reason`.
fn parse_ignored(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let rest = rest.trim_start_matches(',').trim();
    Some((name.trim(), rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_from_the_runners_lines() {
        let mut report = Report::new("x");
        for line in [
            "test a ... ok",
            "test b::c ... ignored (no kprobes here)",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ] {
            report.read_line(line);
        }
        assert_eq!(report.totals.to_string(), "7 passed, 2 failed, 1 skipped");
        assert_eq!(report.notes, ["skipped b::c: no kprobes here"]);
    }

    #[test]
    fn a_runner_that_dies_counts_as_a_failure() {
        let mut report = Report::new("x");
        report.read_line("test a ... ok");
        report.ended(false, "signal 11");
        assert_eq!(report.totals.to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(report.notes, ["ended with signal 11"]);
    }
}
