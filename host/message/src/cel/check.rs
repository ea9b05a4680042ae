//! What is held against an expression before it is used: names, types as far as they can be known, and what it may cost.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use regex::{Regex, RegexBuilder};

use super::address;
use super::value::{PRESENCE, wrapped};
use crate::proto::enumeration;

/// Levels of an expression.
const MAX_DEPTH: usize = 64;
/// Steps that an expression may take for an event, with as many elements in each of its lists as [`ELEMENTS`].
const MAX_COST: usize = 10_000;
/// How many elements a list of an event is taken to have.
const ELEMENTS: usize = 64;
/// Regular expressions in one of CEL, and the bytes that each may take when compiled.
const MAX_PATTERNS: usize = 32;
const PATTERN_SIZE: usize = 1 << 20;
/// What `matches` becomes, with the pattern's number in place of the pattern.
pub(super) const MATCHES: &str = "@matches";

/// An expression that can be used.
pub(super) struct Checked {
    pub(super) expression: IdedExpr,
    /// The kinds of events that it names.
    pub(super) kinds: Vec<FieldDescriptor>,
    /// Its regular expressions, by their number.
    pub(super) patterns: Vec<Regex>,
}

/// What is wrong, and with which part.
pub(super) struct Wrong {
    pub(super) id: u64,
    pub(super) message: String,
}

/// As far as it is known.
#[derive(Clone)]
enum Type {
    Message(MessageDescriptor),
    /// Of what, and of how many at most.
    List(Box<Type>, usize),
    Bool,
    Other,
    Unknown,
}

/// What a part is, and how many steps it takes.
type Known = (Type, usize);

/// Checks an expression over these variables.
pub(super) fn check(mut expression: IdedExpr, variables: Vec<FieldDescriptor>) -> Result<Checked, Wrong> {
    let mut check = Check { variables, kinds: Vec::new(), patterns: Vec::new(), scope: Vec::new(), depth: 0 };
    let (kind, _) = check.part(&mut expression)?;
    if !matches!(kind, Type::Bool | Type::Unknown) {
        return Err(wrong(first(&expression), "it must be true or false: compare it with something"));
    }
    Ok(Checked { expression, kinds: check.kinds, patterns: check.patterns })
}

struct Check {
    variables: Vec<FieldDescriptor>,
    kinds: Vec<FieldDescriptor>,
    patterns: Vec<Regex>,
    /// The variables of the loops around, and what they are.
    scope: Vec<(String, Type)>,
    depth: usize,
}

fn wrong(id: u64, message: impl Into<String>) -> Wrong {
    Wrong { id, message: message.into() }
}

/// Where an expression begins: the parser says where its dot, operator or parenthesis is.
fn first(part: &IdedExpr) -> u64 {
    match &part.expr {
        Expr::Select(select) => first(&select.operand),
        Expr::Comprehension(all) => first(&all.iter_range),
        Expr::Call(CallExpr { target: Some(target), .. }) => first(target),
        Expr::Call(CallExpr { target: None, args, .. }) if !args.is_empty() => first(&args[0]),
        _ => part.id,
    }
}

impl Check {
    fn part(&mut self, part: &mut IdedExpr) -> Result<Known, Wrong> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(wrong(part.id, format!("it is nested more than {MAX_DEPTH} levels deep")));
        }
        let begin = first(part);
        if let Some(number) = number(&part.expr) {
            part.expr = Expr::Literal(LiteralValue::Int(i64::from(number).into()));
        }
        let known = match &mut part.expr {
            Expr::Ident(name) => self.variable(begin, name),
            Expr::Select(select) => self.select(begin, select),
            Expr::Call(call) => self.call(begin, call),
            Expr::Comprehension(all) => self.comprehension(begin, all),
            Expr::Literal(LiteralValue::Boolean(_)) => Ok((Type::Bool, 1)),
            Expr::Literal(_) | Expr::Unspecified => Ok((Type::Other, 1)),
            Expr::List(list) => {
                let count = list.elements.len();
                let (cost, kinds) = self.parts(list.elements.iter_mut())?;
                let kind = if count == 1 { kinds.into_iter().next() } else { None };
                Ok((Type::List(Box::new(kind.unwrap_or(Type::Unknown)), count), cost))
            }
            Expr::Map(map) => {
                let parts = map.entries.iter_mut().flat_map(|entry| match &mut entry.expr {
                    EntryExpr::MapEntry(entry) => vec![&mut entry.key, &mut entry.value],
                    EntryExpr::StructField(field) => vec![&mut field.value],
                });
                Ok((Type::Unknown, self.parts(parts)?.0))
            }
            Expr::Struct(message) => {
                Err(wrong(part.id, format!("messages like `{}` can't be made", message.type_name)))
            }
        };
        self.depth -= 1;
        known
    }

    fn parts<'e>(
        &mut self,
        parts: impl Iterator<Item = &'e mut IdedExpr>,
    ) -> Result<(usize, Vec<Type>), Wrong> {
        let (mut cost, mut kinds) = (1, Vec::new());
        for part in parts {
            let (kind, more) = self.part(part)?;
            cost += more;
            kinds.push(kind);
        }
        Ok((cost, kinds))
    }

    fn variable(&mut self, id: u64, name: &str) -> Result<Known, Wrong> {
        if let Some((_, kind)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Ok((kind.clone(), 1));
        }
        let found = self.variables.iter().find(|field| field.name() == name).cloned();
        let field = found.ok_or_else(|| {
            wrong(id, format!("there is no variable `{name}`: write a kind of event, such as `process_exec`"))
        })?;
        if !self.kinds.contains(&field) {
            self.kinds.push(field.clone());
        }
        Ok((of_field(&field), 1))
    }

    fn select(&mut self, id: u64, select: &mut SelectExpr) -> Result<Known, Wrong> {
        let (operand, cost) = self.part(&mut select.operand)?;
        let name = &select.field;
        let message = match operand {
            Type::Message(message) => message,
            Type::Unknown => return Ok((Type::Unknown, cost + 1)),
            _ => return Err(wrong(id, format!("it is no message, so it has no field `{name}`"))),
        };
        let field = message.get_field_by_name(name);
        let field =
            field.ok_or_else(|| wrong(id, format!("`{}` has no field `{name}`", message.full_name())))?;
        if let Kind::Message(message) = field.kind()
            && matches!(message.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration")
        {
            return Err(wrong(id, format!("`{name}` is a time, which expressions can't ask about")));
        }
        if std::mem::take(&mut select.test) {
            select.field.insert(0, PRESENCE);
            return Ok((Type::Bool, cost + 1));
        }
        Ok((of_field(&field), cost + 1))
    }

    fn call(&mut self, id: u64, call: &mut CallExpr) -> Result<Known, Wrong> {
        if call.func_name == "matches" {
            return self.matches(id, call);
        }
        let in_loop = !self.scope.is_empty();
        let gathers =
            matches!(call.args.first().map(|part| &part.expr), Some(Expr::Ident(name)) if name == "@result");
        if call.func_name == operators::ADD && in_loop && !gathers {
            return Err(wrong(id, "`+` can't be used in a loop, as what it makes could grow without end"));
        }
        let name = qualified(call);
        if let Some(Expr::Literal(LiteralValue::String(text))) = call.args.last().map(|part| &part.expr)
            && let Some(message) = address::wrong(&name, text.inner())
        {
            return Err(wrong(id, message));
        }
        let target = call.target.as_deref_mut().filter(|_| name == call.func_name).into_iter();
        let (cost, kinds) = self.parts(target.chain(call.args.iter_mut()))?;
        let kind = match name.as_str() {
            operators::CONDITIONAL => kinds.into_iter().nth(1).unwrap_or(Type::Unknown),
            operators::INDEX => match kinds.into_iter().next() {
                Some(Type::List(element, _)) => *element,
                _ => Type::Unknown,
            },
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT | operators::EQUALS => {
                Type::Bool
            }
            operators::NOT_EQUALS | operators::GREATER | operators::GREATER_EQUALS | operators::LESS => {
                Type::Bool
            }
            operators::LESS_EQUALS | operators::IN | operators::NOT_STRICTLY_FALSE => Type::Bool,
            "contains" | "startsWith" | "endsWith" | "bool" => Type::Bool,
            "isIP" | "ip.isCanonical" | "isCIDR" | "containsIP" | "containsCIDR" => Type::Bool,
            "isUnspecified" | "isLoopback" | "isGlobalUnicast" => Type::Bool,
            "isLinkLocalUnicast" | "isLinkLocalMulticast" => Type::Bool,
            "ip" | "family" | "cidr" | "masked" | "prefixLength" => Type::Other,
            operators::ADD | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE => Type::Other,
            operators::MODULO | operators::NEGATE => Type::Other,
            "size" | "int" | "uint" | "double" | "string" | "bytes" | "type" => Type::Other,
            "dyn" => Type::Unknown,
            _ => return Err(wrong(id, format!("there is no function `{name}`"))),
        };
        Ok((kind, cost))
    }

    /// Patterns are compiled once, so they can't be made while the expression runs.
    fn matches(&mut self, id: u64, call: &mut CallExpr) -> Result<Known, Wrong> {
        let target = match &mut call.target {
            Some(target) => Some(target.as_mut()),
            None if call.args.len() == 2 => call.args.first_mut(),
            None => None,
        };
        let target = target.ok_or_else(|| wrong(id, "write `text.matches('pattern')`"))?;
        let (_, cost) = self.part(target)?;
        let pattern = match call.args.last().map(|part| &part.expr) {
            Some(Expr::Literal(LiteralValue::String(pattern))) => pattern.inner().to_owned(),
            _ => return Err(wrong(id, "the pattern must be written out, as `text.matches('pattern')`")),
        };
        if self.patterns.len() >= MAX_PATTERNS {
            return Err(wrong(id, format!("it has more than {MAX_PATTERNS} regular expressions")));
        }
        let regex = RegexBuilder::new(&pattern).size_limit(PATTERN_SIZE).build();
        let regex =
            regex.map_err(|error| wrong(id, format!("`{pattern}` is not a regular expression: {error}")))?;
        let index = i64::try_from(self.patterns.len()).unwrap_or(i64::MAX);
        self.patterns.push(regex);
        call.func_name = MATCHES.to_owned();
        if let Some(part) = call.args.last_mut() {
            part.expr = Expr::Literal(LiteralValue::Int(index.into()));
        }
        Ok((Type::Bool, cost + 1))
    }

    fn comprehension(&mut self, id: u64, all: &mut ComprehensionExpr) -> Result<Known, Wrong> {
        let (range, range_cost) = self.part(&mut all.iter_range)?;
        let Type::List(element, count) = range else {
            return Err(wrong(id, "a loop goes over a list: one of the event, or one that is written out"));
        };
        let (start, start_cost) = self.part(&mut all.accu_init)?;
        let gathered = match start {
            Type::List(..) => Type::List(Box::new(Type::Unknown), count),
            start => start,
        };
        let outer = self.scope.len();
        self.scope.push((all.iter_var.clone(), *element.clone()));
        self.scope.push((all.accu_var.clone(), gathered));
        let (_, condition) = self.part(&mut all.loop_cond)?;
        let (_, step) = self.part(&mut all.loop_step)?;
        let (result, result_cost) = self.part(&mut all.result)?;
        self.scope.truncate(outer);
        // What `filter` keeps is what it goes over.
        let filters =
            matches!(&all.loop_step.expr, Expr::Call(call) if call.func_name == operators::CONDITIONAL);
        let result = match result {
            Type::List(..) if filters => Type::List(element, count),
            result => result,
        };
        let cost = range_cost + start_cost + result_cost + count.saturating_mul(condition + step);
        if cost > MAX_COST {
            return Err(wrong(id, format!("its loops may take more than {MAX_COST} steps for an event")));
        }
        Ok((result, cost))
    }
}

/// The name of what is called, with what is before a dot if that is no value.
fn qualified(call: &CallExpr) -> String {
    match call.target.as_ref().map(|target| &target.expr) {
        Some(Expr::Ident(name)) if name == "ip" && call.func_name == "isCanonical" => {
            "ip.isCanonical".to_owned()
        }
        _ => call.func_name.clone(),
    }
}

fn of_field(field: &FieldDescriptor) -> Type {
    let single = match field.kind() {
        Kind::Bool => Type::Bool,
        Kind::Message(message) => match wrapped(&message) {
            Some(value) => of_field(&value),
            None => Type::Message(message),
        },
        _ => Type::Other,
    };
    if field.is_list() { Type::List(Box::new(single), ELEMENTS) } else { single }
}

/// The number of `KprobeAction.KPROBE_ACTION_SIGKILL` and its like, with `tetragon.` before it or without.
fn number(part: &Expr) -> Option<i32> {
    let Expr::Select(SelectExpr { operand, field, test: false }) = part else { return None };
    let name = match &operand.expr {
        Expr::Ident(name) => name,
        Expr::Select(SelectExpr { operand, field, test: false }) => match &operand.expr {
            Expr::Ident(package) if package == "tetragon" => field,
            _ => return None,
        },
        _ => return None,
    };
    Some(enumeration(name)?.get_value_by_name(field)?.number())
}
