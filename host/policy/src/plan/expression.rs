//! Expressions over arguments: what `CelExpr` holds against a call.

/// An expression that is true or false, as the steps that lead there.
///
/// Each step takes the values that it needs from the end of those so far, and puts its result there. What is left in the
/// end is one truth value, 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The steps; never empty.
    pub steps: Vec<ExpressionStep>,
}

/// One step of an [`Expression`]. Values are as registers hold them: those of 32 bits extended by their sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionStep {
    /// A number, or a truth value.
    Constant(u64),
    /// The argument at this position in [`crate::HookPlan::arguments`].
    Argument(usize),
    /// The lower bits of a value, which are those of a number of this type.
    Wrap(IntegerType),
    /// What becomes of two values of a type; truth values are [`IntegerType::U64`].
    Operator(ExpressionOperator, IntegerType),
}

/// A type of integers in expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntegerType {
    /// Signed, of 64 bits: `int` in CEL.
    S64,
    /// Unsigned, of 64 bits: `uint` in CEL.
    U64,
    /// Signed, of 32 bits: what `int32` makes.
    S32,
    /// Unsigned, of 32 bits: what `uint32` makes.
    U32,
}

/// What is done with two values. Sums and differences wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExpressionOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `and()`, `&&`
    And,
    /// `or()`, `||`
    Or,
    /// `xor()`
    Xor,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

impl Expression {
    /// The arguments that it names, each once, by their positions.
    #[must_use]
    pub fn arguments(&self) -> Vec<usize> {
        let mut slots: Vec<_> = self.steps.iter().filter_map(ExpressionStep::argument).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Whether it holds for these arguments; `None` if one of them is not known.
    #[must_use]
    pub fn holds(&self, mut argument: impl FnMut(usize) -> Option<u64>) -> Option<bool> {
        let mut values = Vec::new();
        for step in &self.steps {
            let value = match *step {
                ExpressionStep::Constant(value) => value,
                ExpressionStep::Argument(slot) => argument(slot)?,
                ExpressionStep::Wrap(integer) => integer.wrap(values.pop()?),
                ExpressionStep::Operator(operator, integer) => {
                    let right = values.pop()?;
                    operator.apply(integer, values.pop()?, right)
                }
            };
            values.push(value);
        }
        values.pop().map(|value| value != 0)
    }
}

impl ExpressionStep {
    fn argument(&self) -> Option<usize> {
        match self {
            ExpressionStep::Argument(slot) => Some(*slot),
            _ => None,
        }
    }

    /// How many values it takes.
    #[must_use]
    pub fn takes(&self) -> usize {
        match self {
            ExpressionStep::Constant(_) | ExpressionStep::Argument(_) => 0,
            ExpressionStep::Wrap(_) => 1,
            ExpressionStep::Operator(..) => 2,
        }
    }
}

impl IntegerType {
    /// The number of this type that has a value's lower bits.
    #[must_use]
    pub fn wrap(self, value: u64) -> u64 {
        match self {
            IntegerType::S64 | IntegerType::U64 => value,
            IntegerType::S32 => i64::from(value as i32) as u64,
            IntegerType::U32 => u64::from(value as u32),
        }
    }

    fn is_less(self, left: u64, right: u64) -> bool {
        match self {
            IntegerType::S64 | IntegerType::S32 => (left as i64) < right as i64,
            IntegerType::U64 | IntegerType::U32 => left < right,
        }
    }
}

impl ExpressionOperator {
    fn apply(self, integer: IntegerType, left: u64, right: u64) -> u64 {
        match self {
            ExpressionOperator::Add => integer.wrap(left.wrapping_add(right)),
            ExpressionOperator::Subtract => integer.wrap(left.wrapping_sub(right)),
            ExpressionOperator::And => left & right,
            ExpressionOperator::Or => left | right,
            ExpressionOperator::Xor => left ^ right,
            ExpressionOperator::Equal => u64::from(left == right),
            ExpressionOperator::NotEqual => u64::from(left != right),
            ExpressionOperator::Less => u64::from(integer.is_less(left, right)),
            ExpressionOperator::LessOrEqual => u64::from(!integer.is_less(right, left)),
        }
    }
}
