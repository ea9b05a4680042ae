//! Expressions of the Common Expression Language: Tetragon's `cel_expression`.
//!
//! Variables are the kinds of events by their names in [`GetEventsResponse`] (`process_exec`), and their fields those of
//! the messages. As with Tetragon, an expression is asked only about the kinds of events that it names.
//! <https://github.com/google/cel-spec/blob/master/doc/langdef.md>
//!
//! Whoever writes an expression has the agent evaluate it for every event. So what is not bounded is refused before:
//! patterns that are made up while it runs, and loops that multiply.

mod address;
mod check;
mod value;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cel::common::types::CelBool;
use cel::extractors::This;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use prost_reflect::{DynamicMessage, FieldDescriptor};
use regex::Regex;

use self::check::Checked;
use self::value::Message;
use crate::proto::descriptor;

/// Bytes that an expression may have.
pub const MAX_BYTES: usize = 4_096;
/// Stack to parse with: the parser calls itself for each level of what is yet unknown to be nested too deeply.
const PARSER_STACK: usize = 64 << 20;

/// An expression, ready to be asked about events.
pub struct Expression {
    expression: IdedExpr,
    /// The kinds of events that it names.
    kinds: Vec<FieldDescriptor>,
    /// What it can call.
    functions: Context<'static, 'static>,
    /// That it failed has been told.
    failed: AtomicBool,
}

/// What is wrong with an expression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CelError {
    /// It has so many bytes.
    #[error("{0} bytes; an expression has at most {MAX_BYTES}")]
    TooLong(usize),
    /// It is no expression, or not one that can be used here.
    #[error("{line}:{column}: {message}")]
    At {
        /// Counts from 1.
        line: usize,
        /// Counts from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A thread can't be started, or it panicked.
    #[error("the parser failed")]
    Parser,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression").field("expression", &self.expression).finish_non_exhaustive()
    }
}

impl Expression {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// It is none, asks for what events don't have, or could cost too much.
    pub fn compile(source: &str) -> Result<Self, CelError> {
        if source.len() > MAX_BYTES {
            return Err(CelError::TooLong(source.len()));
        }
        let checked = std::thread::scope(|scope| {
            let parser = std::thread::Builder::new().name("serin-cel".into()).stack_size(PARSER_STACK);
            let parser = parser.spawn_scoped(scope, || parse(source)).map_err(|_| CelError::Parser)?;
            parser.join().unwrap_or(Err(CelError::Parser))
        })?;
        let Checked { expression, kinds, patterns } = checked;
        Ok(Self { expression, kinds, functions: functions(patterns)?, failed: AtomicBool::new(false) })
    }

    /// Whether it holds for an event: a `GetEventsResponse`, as [`reflect`](crate::reflect) makes it. One that fails, as
    /// `args[7]` does where there are less, does not.
    pub fn matches(&self, event: &DynamicMessage) -> bool {
        if !self.kinds.iter().any(|kind| event.has_field(kind)) {
            return false;
        }
        match self.evaluate(event) {
            Ok(holds) => holds,
            Err(error) => {
                if !self.failed.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "a CEL expression fails on an event, which then does not match it: {error}"
                    );
                }
                false
            }
        }
    }

    fn evaluate(&self, event: &DynamicMessage) -> Result<bool, ExecutionError> {
        let functions: &Context<'_, '_> = &self.functions;
        let mut context = functions.new_inner_scope();
        for kind in &self.kinds {
            if let Some(message) = Message::of_field(event, kind) {
                context.add_variable_as_val(kind.name(), Box::new(message));
            }
        }
        let value = Value::resolve_val(&self.expression, &context)?;
        let holds = value.downcast_ref::<CelBool>().map(|holds| bool::from(*holds));
        holds.ok_or_else(|| ExecutionError::function_error("filter", "it is neither true nor false"))
    }
}

fn environment() -> Result<Env, CelError> {
    let mut environment = Env::stdlib().with_optional_support(false);
    environment.add_extension(address::extension).map_err(|_| CelError::Parser)?;
    Ok(environment)
}

fn parse(source: &str) -> Result<Checked, CelError> {
    let parsed = environment()?.parser().parse_with_source_info(source);
    let (expression, places) = parsed.map_err(|errors| {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 1), |error| error.pos);
        let number = |number: isize| usize::try_from(number).unwrap_or(1).max(1);
        let message = first.map_or_else(|| "it can't be parsed".into(), |error| error.msg.clone());
        CelError::At { line: number(line), column: number(column), message }
    })?;
    let kinds = descriptor("GetEventsResponse").and_then(|message| message.oneofs().next());
    let kinds = kinds.iter().flat_map(|kinds| kinds.fields()).collect();
    check::check(expression, kinds).map_err(|wrong| {
        let start = places.offset_for(wrong.id).map_or(0, |(start, _)| start as usize);
        let before: String = source.chars().take(start).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        CelError::At { line, column, message: wrong.message }
    })
}

/// The standard functions, and one that holds a text against the pattern with a number.
fn functions(patterns: Vec<Regex>) -> Result<Context<'static, 'static>, CelError> {
    let mut context = Context::with_env(Arc::new(environment()?));
    let matches = move |This(text): This<Arc<String>>, pattern: i64| {
        usize::try_from(pattern)
            .ok()
            .and_then(|pattern| patterns.get(pattern))
            .is_some_and(|it| it.is_match(&text))
    };
    context.add_function(check::MATCHES, matches).map_err(|_| CelError::Parser)?;
    Ok(context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::proto::get_events_response::Event as Kind;
    use crate::proto::kprobe_argument::Arg;
    use crate::proto::{GetEventsResponse, KprobeArgument, Process, ProcessExec, ProcessKprobe};
    use crate::reflect;

    fn process() -> Option<Process> {
        Some(Process {
            pid: Some(7),
            binary: "/usr/bin/ln".into(),
            arguments: "-s /etc/passwd".into(),
            ..Process::default()
        })
    }

    fn exec() -> Kind {
        Kind::ProcessExec(ProcessExec { process: process(), parent: None })
    }

    fn kprobe() -> Kind {
        let argument = |arg| KprobeArgument { arg: Some(arg), label: String::new() };
        Kind::ProcessKprobe(ProcessKprobe {
            process: process(),
            function_name: "__x64_sys_symlinkat".into(),
            args: vec![argument(Arg::StringArg("/etc/passwd".into())), argument(Arg::IntArg(-100))],
            action: crate::proto::KprobeAction::Sigkill.into(),
            policy_name: "links".into(),
            tags: vec!["a.b".into()],
            ..ProcessKprobe::default()
        })
    }

    fn holds(source: &str, kind: Kind) -> bool {
        let expression = Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let event = GetEventsResponse { event: Some(kind), ..GetEventsResponse::default() };
        expression.matches(&reflect(&event).unwrap())
    }

    #[test]
    fn expressions_are_asked_about_the_events_they_name() {
        for (source, of_exec, of_kprobe) in [
            ("process_exec.process.pid > uint(1)", true, false),
            ("process_exec.process.pid == 7u && process_exec.process.binary == '/usr/bin/ln'", true, false),
            ("has(process_exec.process) && process_exec.process.pid > uint(7)", false, false),
            ("has(process_exec.process) || has(process_kprobe.process)", true, true),
            ("has(process_exec.parent) || has(process_exec.process.cwd)", false, false),
            ("process_exec.parent.binary == '' && process_exec.parent.pid == null", true, false),
            ("!process_exec.process.binary.startsWith('/tmp/')", true, false),
            ("process_exec.process.arguments.matches('^-s /etc/(passwd|shadow)$')", true, false),
            ("process_exec.process.arguments.contains('shadow')", false, false),
            (
                "process_kprobe.args[0].string_arg == '/etc/passwd' && process_kprobe.args[1].int_arg < 0",
                false,
                true,
            ),
            ("has(process_kprobe.args[1].int_arg) && !has(process_kprobe.args[1].string_arg)", false, true),
            ("process_kprobe.args.exists(a, a.string_arg.endsWith('passwd'))", false, true),
            ("process_kprobe.args.filter(a, a.int_arg == -100).size() == 1", false, true),
            ("process_kprobe.args.size() == 2 && 'a.b' in process_kprobe.tags", false, true),
            ("process_kprobe.action == KprobeAction.KPROBE_ACTION_SIGKILL", false, true),
            ("process_kprobe.function_name in ['__x64_sys_symlink', '__x64_sys_symlinkat']", false, true),
            // It fails, so the event does not come.
            ("process_kprobe.args[7].string_arg == ''", false, false),
            ("process_exec.process.binary + 'x' == '/usr/bin/lnx' ? true : false", true, false),
            ("true", false, false),
        ] {
            assert_eq!((holds(source, exec()), holds(source, kprobe())), (of_exec, of_kprobe), "{source}");
        }
    }

    /// The examples of Kubernetes' documentation, and what Tetragon's tests ask.
    #[test]
    fn addresses_are_as_kubernetes_has_them() {
        for source in [
            "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6",
            "isIP('::1') && !isIP('127.0.0.256') && !isIP(':::1') && !isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4')",
            "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
            "ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && !ip('::1').isUnspecified()",
            "ip('127.0.0.1').isLoopback() && ip('::1').isLoopback() && !ip('192.168.0.1').isLoopback()",
            "ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast()",
            "!ip('224.0.1.1').isLinkLocalMulticast() && !ip('fd00::1').isLinkLocalMulticast()",
            "ip('169.254.169.254').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast()",
            "!ip('192.168.0.1').isLinkLocalUnicast() && !ip('fd80::1').isLinkLocalUnicast()",
            "ip('192.168.0.1').isGlobalUnicast() && ip('2001:db8::abcd').isGlobalUnicast()",
            "!ip('255.255.255.255').isGlobalUnicast() && !ip('ff00::1').isGlobalUnicast()",
            "isCIDR('192.168.0.0/16') && !isCIDR('192.168.0.0/33') && !isCIDR('::1/129') && !isCIDR('10.0.0.1')",
            "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && cidr('192.168.0.0/24').containsIP('192.168.0.1')",
            "!cidr('192.168.0.0/24').containsIP('192.168.1.1') && !cidr('192.168.0.0/24').containsIP('::1')",
            "cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24'))",
            "!cidr('192.168.1.0/24').containsCIDR('192.168.2.0/24')",
            "cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && cidr('::1/128').ip().family() == 6",
            "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')",
            "cidr('192.168.0.1/24') != cidr('192.168.0.1/24').masked()",
            "cidr('::1/128').prefixLength() == 128 && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
            "string(ip('::0001')) == '::1'",
        ] {
            let source = format!("process_exec.process.pid == 7u && ({source})");
            assert!(holds(&source, exec()), "{source}");
        }
        let source = "cidr('10.0.0.0/16').containsIP(process_exec.process.cwd)";
        assert!(!holds(source, exec()), "it has no address there");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let long = format!("process_exec.process.binary in [{}]", "'x',".repeat(1_100));
        let deep = format!("{}process_exec.process.pid == 1u{}", "(".repeat(200), ")".repeat(200));
        let sum = format!("process_exec.process.pid > 0u{}", " + 1u".repeat(700));
        for (source, expected) in [
            ("process_exec.process.bad == 1", "1:1: `tetragon.Process` has no field `bad`"),
            ("true &&\n  exec.process.pid == 1", "2:3: there is no variable `exec`"),
            ("process_exec.process.pid >", "1:27: "),
            ("process_exec.process.pid", "1:1: it must be true or false"),
            ("process_exec.process.binary.lower() == ''", "1:1: there is no function `lower`"),
            ("process_exec.process.binary.matches('(')", "1:1: `(` is not a regular expression"),
            (
                "process_exec.process.binary.matches(process_exec.process.cwd)",
                "1:1: the pattern must be written out",
            ),
            ("process_exec.process.binary.size.x", "1:1: it is no message, so it has no field `size`"),
            ("ip('10.0.0.256').family() == 4", "1:4: `10.0.0.256` is not an IP address"),
            (
                "cidr('10.0.0.0/33').containsIP(process_exec.process.cwd)",
                "1:6: `10.0.0.0/33` is not a network, such as",
            ),
            ("cidr('10.0.0.0/8').containsIP('x')", "1:6: `x` is not an IP address"),
            ("process_exec.process.start_time == 1", "1:1: `start_time` is a time, which"),
            (&long, "4433 bytes; an expression has at most 4096"),
            (&deep, ""),
            (&sum, "1:"),
            (
                "process_kprobe.args.exists(a, process_kprobe.args.exists(b, process_kprobe.args.exists(c, a == b)))",
                "1:31: its loops may take more than 10000 steps for an event",
            ),
            ("process_kprobe.tags.map(x, x + x).size() > 0", "1:28: `+` can't be used in a loop"),
            ("process_kprobe.policy_name.all(x, true)", "1:1: a loop goes over a list"),
        ] {
            let error = Expression::compile(source).err();
            let error = error.unwrap_or_else(|| panic!("{source} is taken")).to_string();
            assert!(error.starts_with(expected), "{source}: {error}");
        }
    }
}
