//! Runs commands as steps: with a progress bar on a terminal, as plain lines elsewhere.

use std::io::{IsTerminal, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a step that takes long says so where there is no terminal.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Says what is being done, and how far it is.
pub(crate) struct Step {
    label: String,
    started: Instant,
    last_line: Instant,
    /// How far it is, for the next sign of life.
    state: String,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Starts a step.
    pub(crate) fn start(label: impl Into<String>) -> Self {
        let label = label.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner().with_prefix(label.clone());
            bar.set_style(spinner_style());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            eprintln!("==> {label}");
        }
        let now = Instant::now();
        Self { label, started: now, last_line: now, state: "still at it".to_owned(), bar }
    }

    /// `done` of `total` parts are done.
    pub(crate) fn progress(&mut self, done: u64, total: u64) {
        match &self.bar {
            Some(bar) => {
                if bar.length() != Some(total) {
                    bar.set_length(total);
                    bar.set_style(bar_style());
                }
                bar.set_position(done);
            }
            None => {
                self.state = format!("{done} of {total}");
                self.heartbeat();
            }
        }
    }

    /// Shows what the step is at.
    pub(crate) fn message(&mut self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.trim().to_owned());
        }
    }

    fn heartbeat(&mut self) {
        if self.bar.is_none() && self.last_line.elapsed() >= HEARTBEAT {
            self.last_line = Instant::now();
            eprintln!("    {}: {} after {} s", self.label, self.state, self.started.elapsed().as_secs());
        }
    }

    /// Ends a step that went well.
    pub(crate) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            eprintln!("==> {}", self.label);
        }
        eprintln!("    done in {:.1} s", self.started.elapsed().as_secs_f32());
    }

    fn failed(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner_style() -> ProgressStyle {
    style("{spinner} {prefix} {elapsed} {wide_msg}")
}

fn bar_style() -> ProgressStyle {
    style("{spinner} {prefix} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}").progress_chars("=> ")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Runs a command as a step and returns its standard output.
///
/// # Errors
/// If it cannot be started or fails; its output is then printed.
pub(crate) fn run(label: impl Into<String>, command: &mut Command) -> Result<String> {
    let mut step = Step::start(label);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let output = follow(&mut step, &mut child);
    let status = child.wait()?;
    if status.success() {
        step.done();
        return Ok(output.stdout);
    }
    let label = step.label.clone();
    step.failed();
    eprintln!("{}{}", output.stderr, output.stdout);
    bail!("{label}: {} ended with {status}", command.get_program().display())
}

/// What a command printed.
#[derive(Default)]
struct Output {
    stdout: String,
    stderr: String,
}

enum Piece {
    Stdout(String),
    Stderr(String),
}

fn follow(step: &mut Step, child: &mut Child) -> Output {
    let (sender, pieces) = channel();
    if let Some(stream) = child.stdout.take() {
        read_pieces(stream, Piece::Stdout, sender.clone());
    }
    if let Some(stream) = child.stderr.take() {
        read_pieces(stream, Piece::Stderr, sender);
    }
    collect(step, &pieces)
}

fn collect(step: &mut Step, pieces: &Receiver<Piece>) -> Output {
    let mut output = Output::default();
    loop {
        match pieces.recv_timeout(HEARTBEAT) {
            Ok(Piece::Stdout(line)) => show(step, &line, &mut output.stdout),
            Ok(Piece::Stderr(line)) => show(step, &line, &mut output.stderr),
            Err(RecvTimeoutError::Timeout) => step.heartbeat(),
            Err(RecvTimeoutError::Disconnected) => return output,
        }
    }
}

fn show(step: &mut Step, line: &str, output: &mut String) {
    match parse_progress(line) {
        Some((done, total)) => step.progress(done, total),
        None if line.trim().is_empty() => {}
        None => {
            if !line.starts_with('{') {
                step.message(line);
            }
            output.push_str(line);
            output.push('\n');
        }
    }
}

/// Splits a stream at line feeds and carriage returns: progress bars use the latter.
fn read_pieces(mut stream: impl Read + Send + 'static, wrap: fn(String) -> Piece, to: Sender<Piece>) {
    std::thread::spawn(move || {
        let mut piece = Vec::new();
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            for &byte in &buffer[..length] {
                if byte == b'\n' || byte == b'\r' {
                    let _ = to.send(wrap(String::from_utf8_lossy(&piece).into_owned()));
                    piece.clear();
                } else {
                    piece.push(byte);
                }
            }
        }
        let _ = to.send(wrap(String::from_utf8_lossy(&piece).into_owned()));
    });
}

/// How far cargo (`Building [==> ] 12/345: name`) or apt (`pmstatus:name:45.6:text`) is.
fn parse_progress(line: &str) -> Option<(u64, u64)> {
    if line.starts_with("dlstatus:") || line.starts_with("pmstatus:") {
        let percent: f64 = line.split(':').nth(2)?.parse().ok()?;
        return Some((percent as u64, 100));
    }
    let (_, counts) = line.split_once("] ")?;
    let (done, rest) = counts.split_once('/')?;
    let total = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((done.trim().parse().ok()?, total.parse().ok()?))
}

/// Makes cargo print its progress though its output is not a terminal.
pub(crate) fn with_cargo_progress(command: &mut Command) -> &mut Command {
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "80")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_cargo_and_apt_is_recognised() {
        let cases = [
            ("    Building [====>     ] 12/345: cranelift", Some((12, 345))),
            ("    Building [=========] 345/345", Some((345, 345))),
            ("pmstatus:clang-22:45.6:Unpacking clang-22", Some((45, 100))),
            ("dlstatus:1:9.1:Retrieving file 1 of 9", Some((9, 100))),
            ("   Compiling serde v1.0.228", None),
            ("warning: [unused] a/b", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_progress(line), expected, "{line}");
        }
    }
}
