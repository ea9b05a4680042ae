//! `serin policy test`: what policies would have made of recorded events.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serin_event::{Event, EventKind, Hook};
use serin_kernel::Kernel;
use serin_policy::{HookPlan, Policy};
use serin_process::HookInfo;
use serin_rehearse::{Verdict, judge};

use crate::hooks;
use crate::policies::{self, KernelFiles, count};
use crate::trace::{self, Item, Line};

/// Holds the events of a trace against policies, and writes what each of these would have done.
pub(crate) fn rehearse(
    paths: &[PathBuf],
    trace: &Path,
    kernel: &KernelFiles,
    out: &mut impl Write,
) -> Result<()> {
    let policies = policies::load_for_kernel(paths, kernel)?;
    let mut rehearsals: Vec<_> = policies.iter().map(Rehearsal::new).collect();
    for line in trace::open(trace)? {
        let Line { number, item: Item::Event(event) } = line? else { continue };
        let EventKind::Kprobe(hook) = &event.kind else { continue };
        for rehearsal in &mut rehearsals {
            for said in rehearsal.hold(&event, hook) {
                writeln!(out, "{}:{number}: {}: {said}", trace.display(), rehearsal.name)?;
            }
        }
    }
    for rehearsal in &rehearsals {
        out.write_all(rehearsal.summary().as_bytes())?;
    }
    Ok(())
}

/// A policy, and what it has made of the events so far.
struct Rehearsal<'p> {
    name: &'p str,
    hooks: Vec<Seen<'p>>,
}

/// A hook, and how many of the events at its place it would have matched.
struct Seen<'p> {
    plan: &'p HookPlan,
    info: HookInfo,
    matched: usize,
    unmatched: usize,
    /// How often it can't be told, by the reason.
    untold: BTreeMap<String, usize>,
}

impl<'p> Rehearsal<'p> {
    fn new(policy: &'p Policy) -> Self {
        let name: Arc<str> = policy.plan().name.as_str().into();
        let seen = |plan: &'p HookPlan| Seen {
            plan,
            info: hooks::info(&name, &Kernel::function_of(plan), plan),
            matched: 0,
            unmatched: 0,
            untold: BTreeMap::new(),
        };
        Self { name: &policy.plan().name, hooks: policy.plan().hooks.iter().map(seen).collect() }
    }

    /// What each hook at the event's place would have done, unless that is nothing.
    fn hold(&mut self, event: &Event, hook: &Hook) -> Vec<String> {
        let here = |seen: &&mut Seen<'_>| {
            seen.info.place == hook.place && seen.info.function_name == hook.function_name
        };
        self.hooks.iter_mut().filter(here).filter_map(|seen| seen.hold(event, hook)).collect()
    }

    fn summary(&self) -> String {
        let sum = |of: fn(&Seen<'_>) -> usize| self.hooks.iter().map(of).sum::<usize>();
        let untold = |seen: &Seen<'_>| seen.untold.values().sum();
        let numbers = [sum(|seen| seen.matched), sum(|seen| seen.unmatched), sum(untold)];
        let events = count(numbers.iter().sum(), "event", "events");
        let [matched, unmatched, open] = numbers;
        let name = self.name;
        let mut text = format!(
            "{name}: {events} at its hooks: {matched} matched, {unmatched} not, {open} can't be told\n"
        );
        for seen in &self.hooks {
            let function = &seen.info.function_name;
            let reasons = seen.untold.iter();
            text.extend(reasons.map(|(reason, times)| format!("  {function}: {times} times: {reason}\n")));
            if seen.matched + seen.unmatched + seen.untold.len() == 0 {
                text += &format!("  {function}: the recording has no event of it\n");
            }
        }
        text
    }
}

impl Seen<'_> {
    fn hold(&mut self, event: &Event, hook: &Hook) -> Option<String> {
        let what = |text: String| {
            let binary = event.process.as_deref().map_or("", |process| &process.binary);
            Some(format!("{} by {binary}: {text}", self.info.function_name))
        };
        match judge(self.plan, event, hook) {
            Verdict::Matched(selector) => {
                self.matched += 1;
                let actions = self.info.actions.get(selector).map_or(&[][..], |actions| actions);
                let actions: Vec<_> = actions
                    .iter()
                    .map(|name| name.trim_start_matches("KPROBE_ACTION_").to_lowercase())
                    .collect();
                what(format!("selector {selector} matches: {}", actions.join(", ")))
            }
            Verdict::Unmatched => {
                self.unmatched += 1;
                None
            }
            Verdict::Untold { selector, reason } => {
                let said = what(format!("selector {selector} may match: {reason}"));
                *self.untold.entry(reason).or_default() += 1;
                said
            }
        }
    }
}
