//! What is held against an expression before it is used: names, types, and what it may come to.

use std::ops::Range;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators};

use super::Wrong;
use crate::hook::Known;
use crate::{
    ArgumentKind, Expression, ExpressionOperator, ExpressionStep, IntegerType, MAX_EXPRESSION_STEPS,
    MAX_EXPRESSION_VALUES,
};

/// What can be written, for messages.
const WORDS: &str = "write numbers, `arg0` and so on, `+`, `-`, comparisons, `&&`, `||`, `!`, `int32()`, `uint32()`, \
                     `and()`, `or()`, `xor()` and `not()`";

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Integer(IntegerType),
    Bool,
}

use IntegerType::{S32, S64, U32, U64};

impl Type {
    /// As it is called in messages.
    fn name(self) -> &'static str {
        match self {
            Type::Integer(S64) => "an `int`",
            Type::Integer(U64) => "a `uint`",
            Type::Integer(S32) => "an `int32`",
            Type::Integer(U32) => "a `uint32`",
            Type::Bool => "true or false",
        }
    }

    /// How its values are compared.
    fn integer(self) -> IntegerType {
        match self {
            Type::Integer(integer) => integer,
            Type::Bool => U64,
        }
    }
}

/// Lowers an expression over the entries of `args`.
pub(super) fn check(
    parsed: &IdedExpr,
    places: &SourceInfo,
    text: &str,
    arguments: &[Known],
) -> Result<Expression, Wrong> {
    let mut check = Check { places, end: text.chars().count(), arguments, steps: Vec::new(), values: 0 };
    if check.part(parsed)? != Type::Bool {
        return Err(check.wrong(parsed, "an expression must be true or false", "compare it with something"));
    }
    Ok(Expression { steps: check.steps })
}

struct Check<'a> {
    places: &'a SourceInfo,
    /// Characters of the text.
    end: usize,
    arguments: &'a [Known],
    steps: Vec<ExpressionStep>,
    /// How many values the steps so far leave.
    values: usize,
}

impl Check<'_> {
    /// Where the parser says that a part is: its operator, its parenthesis, or itself.
    fn place(&self, part: &IdedExpr) -> Range<usize> {
        let (start, last) = self.places.offset_for(part.id).unwrap_or((0, 0));
        let start = (start as usize).min(self.end);
        start..(last as usize + 1).clamp(start, self.end.max(start))
    }

    fn wrong(&self, part: &IdedExpr, message: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { at: self.place(part), message: message.into(), help: help.into() }
    }

    /// Appends what a part comes to.
    fn part(&mut self, part: &IdedExpr) -> Result<Type, Wrong> {
        match &part.expr {
            Expr::Literal(LiteralValue::Int(number)) => {
                self.step(part, ExpressionStep::Constant(*number.inner() as u64))?;
                Ok(Type::Integer(S64))
            }
            Expr::Literal(LiteralValue::UInt(number)) => {
                self.step(part, ExpressionStep::Constant(*number.inner()))?;
                Ok(Type::Integer(U64))
            }
            Expr::Literal(LiteralValue::Boolean(value)) => {
                self.step(part, ExpressionStep::Constant((*value.inner()).into()))?;
                Ok(Type::Bool)
            }
            Expr::Ident(name) => self.argument(part, name),
            Expr::Call(call) => self.call(part, call),
            Expr::Literal(_) => Err(self.wrong(part, "expressions are about integers", WORDS)),
            _ => Err(self.wrong(part, "this cannot be evaluated in the kernel", WORDS)),
        }
    }

    fn argument(&mut self, part: &IdedExpr, name: &str) -> Result<Type, Wrong> {
        let Some(position) = name.strip_prefix("arg").and_then(|number| number.parse::<usize>().ok()) else {
            let help = "write `arg0` for the first entry of `args`, `arg1` for the second, and so on";
            return Err(self.wrong(part, format!("there is no `{name}`"), help));
        };
        let found = self.arguments.iter().enumerate().find(|(_, known)| known.position == position);
        let Some((slot, known)) = found else {
            let message = format!("`args` of the hook has no entry {position} that is read");
            return Err(self.wrong(part, message, "entries are counted from 0"));
        };
        let Some(integer) = integer_type(known.kind) else {
            let message = format!("`{name}` is not an integer");
            let help = "compare it by a filter of its own, or read it as `int`, `uint64` or the like";
            return Err(self.wrong(part, message, help));
        };
        self.step(part, ExpressionStep::Argument(slot))?;
        Ok(Type::Integer(integer))
    }

    fn call(&mut self, part: &IdedExpr, call: &CallExpr) -> Result<Type, Wrong> {
        use ExpressionOperator::{Add, And, Equal, Less, LessOrEqual, NotEqual, Or, Subtract, Xor};
        if let Some(target) = &call.target {
            return Err(self.wrong(target, "values have no functions of their own", WORDS));
        }
        match call.func_name.as_str() {
            operators::ADD => self.arithmetic(part, call, "`+`", Add),
            operators::SUBSTRACT => self.arithmetic(part, call, "`-`", Subtract),
            "and" => self.arithmetic(part, call, "`and()`", And),
            "or" => self.arithmetic(part, call, "`or()`", Or),
            "xor" => self.arithmetic(part, call, "`xor()`", Xor),
            "not" => self.complement(part, call),
            operators::LOGICAL_AND => self.logical(part, call, And),
            operators::LOGICAL_OR => self.logical(part, call, Or),
            operators::LOGICAL_NOT => self.negation(part, call),
            operators::EQUALS => self.comparison(part, call, Equal, false),
            operators::NOT_EQUALS => self.comparison(part, call, NotEqual, false),
            operators::LESS => self.comparison(part, call, Less, false),
            operators::LESS_EQUALS => self.comparison(part, call, LessOrEqual, false),
            operators::GREATER => self.comparison(part, call, Less, true),
            operators::GREATER_EQUALS => self.comparison(part, call, LessOrEqual, true),
            "int32" => self.cast(part, call, S64, S32),
            "uint32" => self.cast(part, call, U64, U32),
            operators::NEGATE => {
                Err(self.wrong(part, "only numbers that are written out can have a sign", "write `0 - …`"))
            }
            name => {
                let name = operator(name).map_or_else(|| format!("`{name}()`"), |name| format!("`{name}`"));
                Err(self.wrong(part, format!("{name} cannot be evaluated in the kernel"), WORDS))
            }
        }
    }

    /// Both operands of a call; the second first, if they are to change places.
    fn operands(
        &mut self,
        part: &IdedExpr,
        call: &CallExpr,
        what: &str,
        swapped: bool,
    ) -> Result<Type, Wrong> {
        let [left, right] = call.args.as_slice() else {
            let message = format!("{what} takes two values, not {}", call.args.len());
            return Err(self.wrong(part, message, "write integers of the same type"));
        };
        let (first, second) = if swapped { (right, left) } else { (left, right) };
        let types = (self.part(first)?, self.part(second)?);
        let (left_type, right_type) = if swapped { (types.1, types.0) } else { types };
        if left_type == right_type {
            return Ok(left_type);
        }
        let (left_name, right_name) = (left_type.name(), right_type.name());
        let message = format!("{what} takes two values of the same type, not {left_name} and {right_name}");
        Err(self.wrong(part, message, alike(left_type, right_type, right)))
    }

    fn arithmetic(
        &mut self,
        part: &IdedExpr,
        call: &CallExpr,
        what: &str,
        operator: ExpressionOperator,
    ) -> Result<Type, Wrong> {
        match self.operands(part, call, what, false)? {
            Type::Integer(integer) => {
                self.step(part, ExpressionStep::Operator(operator, integer))?;
                Ok(Type::Integer(integer))
            }
            Type::Bool => Err(self.wrong(part, format!("{what} takes integers"), "write `&&` or `||`")),
        }
    }

    fn comparison(
        &mut self,
        part: &IdedExpr,
        call: &CallExpr,
        operator: ExpressionOperator,
        swapped: bool,
    ) -> Result<Type, Wrong> {
        let what = format!("`{}`", self::operator(&call.func_name).unwrap_or_default());
        let of = self.operands(part, call, &what, swapped)?;
        let is_order = matches!(operator, ExpressionOperator::Less | ExpressionOperator::LessOrEqual);
        if of == Type::Bool && is_order {
            return Err(self.wrong(part, format!("{what} compares integers"), "write `==` or `!=`"));
        }
        self.step(part, ExpressionStep::Operator(operator, of.integer()))?;
        Ok(Type::Bool)
    }

    fn logical(
        &mut self,
        part: &IdedExpr,
        call: &CallExpr,
        operator: ExpressionOperator,
    ) -> Result<Type, Wrong> {
        let what = format!("`{}`", self::operator(&call.func_name).unwrap_or_default());
        match self.operands(part, call, &what, false)? {
            Type::Bool => {
                self.step(part, ExpressionStep::Operator(operator, U64))?;
                Ok(Type::Bool)
            }
            Type::Integer(_) => {
                let message = format!("{what} takes what is true or false");
                Err(self.wrong(
                    part,
                    message,
                    "compare the integers with something, or write `and()` or `or()`",
                ))
            }
        }
    }

    /// The only operand of a call.
    fn operand(&mut self, part: &IdedExpr, call: &CallExpr, what: &str) -> Result<Type, Wrong> {
        let [only] = call.args.as_slice() else {
            let message = format!("{what} takes one value, not {}", call.args.len());
            return Err(self.wrong(part, message, "write one value in the parentheses"));
        };
        self.part(only)
    }

    fn negation(&mut self, part: &IdedExpr, call: &CallExpr) -> Result<Type, Wrong> {
        if self.operand(part, call, "`!`")? != Type::Bool {
            let help = "compare the integer with something, or write `not()`";
            return Err(self.wrong(part, "`!` takes what is true or false", help));
        }
        self.step(part, ExpressionStep::Constant(1))?;
        self.step(part, ExpressionStep::Operator(ExpressionOperator::Xor, U64))?;
        Ok(Type::Bool)
    }

    fn complement(&mut self, part: &IdedExpr, call: &CallExpr) -> Result<Type, Wrong> {
        let Type::Integer(integer) = self.operand(part, call, "`not()`")? else {
            return Err(self.wrong(part, "`not()` takes an integer", "write `!`"));
        };
        self.step(part, ExpressionStep::Constant(integer.wrap(u64::MAX)))?;
        self.step(part, ExpressionStep::Operator(ExpressionOperator::Xor, integer))?;
        Ok(Type::Integer(integer))
    }

    fn cast(
        &mut self,
        part: &IdedExpr,
        call: &CallExpr,
        from: IntegerType,
        to: IntegerType,
    ) -> Result<Type, Wrong> {
        let what = format!("`{}()`", call.func_name);
        let of = self.operand(part, call, &what)?;
        if of != Type::Integer(from) {
            let from = Type::Integer(from);
            let message = format!("{what} takes {}, and this is {}", from.name(), of.name());
            let is_number = matches!(call.args.first().map(|only| &only.expr), Some(Expr::Literal(_)));
            let help = match of {
                Type::Integer(S64) if is_number => "write the number with a `u` behind it: `uint32(5u)`",
                Type::Integer(U64) if is_number => "write the number without the `u`, or `uint32()`",
                Type::Integer(S64) => "write `int32()`",
                Type::Integer(U64) => "write `uint32()`",
                _ => "leave it out",
            };
            return Err(self.wrong(part, message, help));
        }
        match self.steps.last_mut() {
            Some(ExpressionStep::Constant(number)) => *number = to.wrap(*number),
            _ => self.step(part, ExpressionStep::Wrap(to))?,
        }
        Ok(Type::Integer(to))
    }

    fn step(&mut self, part: &IdedExpr, step: ExpressionStep) -> Result<(), Wrong> {
        if self.steps.len() >= MAX_EXPRESSION_STEPS {
            let message = format!("it has more than {MAX_EXPRESSION_STEPS} numbers, arguments and operators");
            return Err(self.wrong(part, message, "split it at `&&` into several filters"));
        }
        self.values = self.values - step.takes() + 1;
        if self.values > MAX_EXPRESSION_VALUES {
            let message = format!("more than {MAX_EXPRESSION_VALUES} values wait to be used here");
            return Err(self.wrong(part, message, "put what is in parentheses first: `(a + b) + c`"));
        }
        self.steps.push(step);
        Ok(())
    }
}

/// The type that an argument has in expressions.
fn integer_type(kind: ArgumentKind) -> Option<IntegerType> {
    use ArgumentKind::{BpfCmd, Capability, Int, Int8, Int16, Long, Uint, Uint8, Uint16};
    match kind {
        Int8 | Int16 | Int | Capability | BpfCmd => Some(S32),
        Uint8 | Uint16 | Uint => Some(U32),
        Long => Some(S64),
        kind if kind.is_integer() => Some(U64),
        _ => None,
    }
}

/// What to write so that two values are of the same type, the right one of which is this.
fn alike(left: Type, right: Type, part: &IdedExpr) -> &'static str {
    let is_number = matches!(part.expr, Expr::Literal(_));
    match (left, right) {
        (Type::Integer(U64), Type::Integer(S64)) if is_number => {
            "write the number with a `u` behind it: `5u`"
        }
        (Type::Integer(U32), Type::Integer(S64)) if is_number => "write the number as `uint32(5u)`",
        (Type::Integer(S64 | S32), Type::Integer(U64)) if is_number => "write the number without the `u`",
        (Type::Integer(S32), Type::Integer(S64)) | (Type::Integer(S64), Type::Integer(S32)) => {
            "write `int32(…)` around the `int`"
        }
        (Type::Integer(U32), Type::Integer(U64)) | (Type::Integer(U64), Type::Integer(U32)) => {
            "write `uint32(…)` around the `uint`"
        }
        (Type::Bool, _) | (_, Type::Bool) => "compare the integer with something first",
        _ => "read both arguments in `args` as the same type",
    }
}

/// An operator as it is written.
fn operator(name: &str) -> Option<&'static str> {
    Some(match name {
        operators::EQUALS => "==",
        operators::NOT_EQUALS => "!=",
        operators::LESS => "<",
        operators::LESS_EQUALS => "<=",
        operators::GREATER => ">",
        operators::GREATER_EQUALS => ">=",
        operators::LOGICAL_AND => "&&",
        operators::LOGICAL_OR => "||",
        operators::MULTIPLY => "*",
        operators::DIVIDE => "/",
        operators::MODULO => "%",
        operators::CONDITIONAL => "?:",
        operators::IN => "in",
        operators::INDEX => "[]",
        _ => return None,
    })
}
