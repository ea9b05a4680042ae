//! Every operator on every type of argument that is a number or a text, for a value that it holds for and for one that it
//! does not. Sockets, packets and addresses have their own tables in `network`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::{Scenario, scenario};
use crate::agent::{Agent, Setup};
use crate::kernel::Kernel;
use crate::trigger::{self, Ended};

pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        scenario("matrix::numbers", numbers),
        scenario("matrix::texts_of_system_calls", texts_of_calls),
        scenario("matrix::texts_of_tracepoints", texts_of_tracepoints),
        scenario("matrix::texts_of_functions", texts_of_functions).needs(Kernel::function_hooks),
    ]
}

/// One of each width and sign; others are read as one of these.
const NUMBERS: [&str; 9] =
    ["int8", "uint8", "int16", "uint16", "int", "uint32", "long", "size_t", "capability"];

/// A number that all types of numbers can be, and no capability is called by.
const NUMBER: i64 = 66;

/// An operator, values for which it holds of [`NUMBER`], and such for which it does not.
const NUMBER_OPERATORS: [(&str, &str, &str); 9] = [
    ("Equal", "[7, 66]", "[65, 67]"),
    ("NotEqual", "[65, 67]", "[7, 66]"),
    ("GT", "[65]", "[66]"),
    ("LT", "[67]", "[66]"),
    ("Mask", "[3]", "[4, 33]"),
    ("InMap", "[7, 66]", "[65, 67]"),
    ("NotInMap", "[65, 67]", "[7, 66]"),
    ("InRange", "['60:66']", "['0:65', '67:70']"),
    ("NotInRange", "['0:65', '67:70']", "['60:66']"),
];

/// A type with a value of it.
struct Row<'r> {
    /// The section of the policy, and what is hooked.
    place: (&'r str, &'r str),
    /// `index: 0, type: string`
    argument: &'r str,
    text: Text<'r>,
    /// Its kind among files, and another one, if it is a file.
    file_type: Option<(&'r str, &'r str)>,
}

/// What is known of a text.
#[derive(Clone, Copy)]
enum Text<'r> {
    Whole(&'r str),
    /// How it begins and ends.
    Ends(&'r str, &'r str),
}

impl Text<'_> {
    /// Each operator, values for which it holds, and such for which it does not.
    fn operators(self) -> Vec<(&'static str, String, String)> {
        let (start, end) = match self {
            Self::Whole(text) => text.split_at(text.len() / 2),
            Self::Ends(start, end) => (start, end),
        };
        let list = |values: [&str; 2]| format!("{values:?}");
        let other = "nothing of it";
        let mut operators = Vec::new();
        let mut both = |name, negation, holds: [&str; 2], fails: [&str; 2]| {
            operators.push((name, list(holds), list(fails)));
            if let Some(negation) = negation {
                operators.push((negation, list(fails), list(holds)));
            }
        };
        if let Self::Whole(text) = self {
            both("Equal", Some("NotEqual"), [other, text], [start, end]);
        }
        both("Prefix", Some("NotPrefix"), [other, start], [other, &format!("{start}{other}")]);
        both("Postfix", Some("NotPostfix"), [other, end], [other, &format!("{other}{end}")]);
        let middle = end.get(..end.len() / 2 + 1).unwrap_or(end);
        both("SubString", None, [other, middle], [other, &format!("{middle}{middle}")]);
        let capitals = middle.to_uppercase();
        both("SubStringIgnCase", None, [other, &capitals], [other, &format!("{capitals}{capitals}")]);
        operators
    }
}

impl Row<'_> {
    /// A policy for each operator: the event comes if the operator does not hold where it should not, as the first selector
    /// would swallow it, and holds where it should.
    fn policies(&self) -> Vec<(String, String)> {
        let mut operators = self.text.operators();
        if let Some((own, other)) = self.file_type {
            let (own, other) = (format!("[{own}]"), format!("[{other}]"));
            operators.push(("FileType", own.clone(), other.clone()));
            operators.push(("NotFileType", other, own));
        }
        let of_operator = |(operator, holds, fails): (&'static str, String, String)| {
            policy(self.place, self.argument, operator, &holds, &fails)
        };
        operators.into_iter().map(of_operator).collect()
    }
}

/// A policy and its name, which says what is in it.
fn policy(
    (section, call): (&str, &str),
    argument: &str,
    operator: &str,
    holds: &str,
    fails: &str,
) -> (String, String) {
    let index = argument.split(',').next().unwrap_or_default();
    let name: String = format!("{call}-{argument}-{operator}").to_lowercase();
    let name: Vec<_> =
        name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = name.join("-");
    let place = match call.split_once('/') {
        Some((subsystem, event)) => format!("subsystem: {subsystem}, event: {event}"),
        None => format!("call: {call}, syscall: {}", call.starts_with("sys_")),
    };
    let filter = |values: &str| format!("matchArgs: [{{{index}, operator: {operator}, values: {values}}}]");
    let text = format!(
        "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: {name}}}, spec: {{{section}: [\
         {{{place}, args: [{{{argument}}}], selectors: [{{{}, matchActions: [{{action: NoPost}}]}}, {{{}}}]}}]}}}}\n",
        filter(fails),
        filter(holds)
    );
    (name, text)
}

/// Loads the policies; what the triggers do must be reported by each.
fn all_report(policies: &[(String, String)], trigger: impl FnOnce() -> Result<Vec<Ended>>) -> Result<()> {
    ensure!(!policies.is_empty(), "no policies");
    let mut setup = Setup::new()?;
    for (_, text) in policies {
        setup = setup.policy(text)?;
    }
    let mut agent = setup.start()?;
    let ended = trigger()?;
    agent.settle()?;
    let reporters: BTreeSet<String> = ended.iter().flat_map(|ended| reporters(&agent, ended.pid)).collect();
    let silent: Vec<_> =
        policies.iter().filter(|(name, _)| !reporters.contains(name)).map(|(_, text)| text).collect();
    ensure!(
        silent.is_empty(),
        "{} of {} policies reported nothing: {silent:#?}",
        silent.len(),
        policies.len()
    );
    agent.stop()?;
    Ok(())
}

fn reporters(agent: &Agent, pid: u32) -> Vec<String> {
    let events = agent
        .events
        .iter()
        .flat_map(|event| ["process_kprobe", "process_tracepoint"].map(|kind| &event[kind]));
    let own = events.filter(|hit| hit["process"]["pid"] == pid);
    own.filter_map(|hit| hit["policy_name"].as_str().map(str::to_owned)).collect()
}

/// A call goes through at most 32 hooks where these are called one after the other.
const AT_ONCE: usize = 32;

fn numbers(_: &Kernel) -> Result<()> {
    let of_type = |kind: &&str| {
        let argument = format!("index: 1, type: {kind}");
        NUMBER_OPERATORS.map(|(operator, holds, fails)| {
            policy(("kprobes", "sys_lseek"), &argument, operator, holds, fails)
        })
    };
    let policies: Vec<_> = NUMBERS.iter().flat_map(of_type).collect();
    for some in policies.chunks(AT_ONCE) {
        all_report(some, || Ok(vec![trigger::seek(NUMBER)?]))?;
    }
    Ok(())
}

/// A file in a folder that goes away with it, and its path.
fn file() -> Result<(tempfile::TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("wanted");
    std::fs::write(&path, "text").context("cannot write")?;
    let path = path.to_string_lossy().into_owned();
    Ok((folder, path))
}

fn texts_of_calls(_: &Kernel) -> Result<()> {
    let (_folder, path) = file()?;
    let row = |call, argument, text, file_type| Row { place: ("kprobes", call), argument, text, file_type };
    let rows = [
        row("sys_symlinkat", "index: 0, type: string", Text::Whole("/etc/passwd"), None),
        row("sys_write", "index: 0, type: fd", Text::Whole(&path), Some(("reg", "dir"))),
        row("sys_write", "index: 1, type: char_buf, sizeArgIndex: 3", Text::Whole("more"), None),
        row("sys_connect", "index: 1, type: sockaddr_un", Text::Whole("@serin-test"), None),
    ];
    let policies: Vec<_> = rows.iter().flat_map(Row::policies).collect();
    all_report(&policies, || {
        let link = trigger::symlink("/etc/passwd", "")?;
        Ok(vec![link, trigger::write(&path)?, trigger::connect_unix("@serin-test")?])
    })
}

fn texts_of_tracepoints(_: &Kernel) -> Result<()> {
    let program = trigger::program()?;
    let row = Row {
        place: ("tracepoints", "sched/sched_process_exec"),
        argument: "index: 4, type: data_loc",
        text: Text::Whole(&program),
        file_type: None,
    };
    all_report(&row.policies(), || Ok(vec![trigger::exit(0, &[])?]))
}

fn texts_of_functions(_: &Kernel) -> Result<()> {
    let ((_folder, path), program) = (file()?, trigger::program()?);
    let regular = Some(("regular", "fifo"));
    let row = |call, argument, text, file_type| Row { place: ("kprobes", call), argument, text, file_type };
    // Of the path of an entry only the end is known: the folder may lie on a mount.
    let rows = [
        row("security_file_open", "index: 0, type: file", Text::Whole(&path), regular),
        row("vfs_open", "index: 0, type: path", Text::Whole(&path), regular),
        row("do_filp_open", "index: 1, type: filename", Text::Whole(&path), None),
        row("security_bprm_check", "index: 0, type: linux_binprm", Text::Whole(&program), regular),
        row("security_inode_unlink", "index: 1, type: dentry", Text::Ends("/", "/wanted"), regular),
        row("generic_write_checks", "index: 0, type: kiocb", Text::Whole(&path), regular),
        row("generic_write_checks", "index: 1, type: iov_iter", Text::Whole("more"), None),
        row("dev_get_flags", "index: 0, type: net_device", Text::Whole("lo"), None),
    ];
    let policies: Vec<_> = rows.iter().flat_map(Row::policies).collect();
    all_report(&policies, || {
        let opened = trigger::open(&path)?;
        let written = trigger::write(&path)?;
        Ok(vec![opened, written, trigger::device_flags("lo")?, trigger::write_removed(&path)?])
    })
}
