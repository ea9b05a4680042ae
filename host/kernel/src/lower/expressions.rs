//! Expressions, as the programs evaluate them.

use serin_abi::config::{
    Filter, INTEGER_S32, INTEGER_S64, INTEGER_U32, INTEGER_U64, OPERATION_ADD, OPERATION_AND,
    OPERATION_ARGUMENT, OPERATION_CONSTANT, OPERATION_EQUAL, OPERATION_LESS, OPERATION_LESS_OR_EQUAL,
    OPERATION_NOT_EQUAL, OPERATION_OR, OPERATION_SUBTRACT, OPERATION_WRAP, OPERATION_XOR, Operation,
    TEST_EXPRESSION,
};
use serin_abi::{MAX_OPERATIONS, MAX_PLACES};
use serin_policy::{Expression, ExpressionOperator, ExpressionStep, IntegerType};

use super::{Lowered, limit};

impl Lowered {
    /// A filter on whether an expression holds.
    pub(super) fn expression(&mut self, expression: &Expression) -> Result<Filter, String> {
        let first = self.operations;
        let last = first + expression.steps.len();
        limit("numbers, arguments and operators of expressions", last, MAX_OPERATIONS)?;
        let mut values = 0;
        for (to, step) in self.config.operations[first..last].iter_mut().zip(&expression.steps) {
            let place = values - step.takes();
            limit("values of an expression that wait to be used", place + 1, MAX_PLACES)?;
            *to = Operation { place: place as u16, ..operation(step) };
            values = place + 1;
        }
        self.operations = last;
        let slot = expression.arguments().iter().fold(0, |slots, slot| slots | 1 << slot);
        let (values, count) = (first as u32, expression.steps.len() as u32);
        Ok(Filter { test: TEST_EXPRESSION, slot, values, count })
    }
}

/// A step, but for the place of its result.
fn operation(step: &ExpressionStep) -> Operation {
    let (code, integer, value) = match *step {
        ExpressionStep::Constant(number) => (OPERATION_CONSTANT, IntegerType::U64, number),
        ExpressionStep::Argument(slot) => (OPERATION_ARGUMENT, IntegerType::U64, slot as u64),
        ExpressionStep::Wrap(integer) => (OPERATION_WRAP, integer, 0),
        ExpressionStep::Operator(operator, integer) => (code(operator), integer, 0),
    };
    let integer = match integer {
        IntegerType::S64 => INTEGER_S64,
        IntegerType::U64 => INTEGER_U64,
        IntegerType::S32 => INTEGER_S32,
        IntegerType::U32 => INTEGER_U32,
    };
    Operation { value, code, integer, place: 0 }
}

fn code(operator: ExpressionOperator) -> u32 {
    match operator {
        ExpressionOperator::Add => OPERATION_ADD,
        ExpressionOperator::Subtract => OPERATION_SUBTRACT,
        ExpressionOperator::And => OPERATION_AND,
        ExpressionOperator::Or => OPERATION_OR,
        ExpressionOperator::Xor => OPERATION_XOR,
        ExpressionOperator::Equal => OPERATION_EQUAL,
        ExpressionOperator::NotEqual => OPERATION_NOT_EQUAL,
        ExpressionOperator::Less => OPERATION_LESS,
        ExpressionOperator::LessOrEqual => OPERATION_LESS_OR_EQUAL,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;

    use serin_abi::expression::{Places, evaluate};
    use serin_abi::selector::Verdict;
    use serin_policy::{Policy, Test};

    use super::*;
    use crate::wire::zeroed;

    /// The expression as a policy has it, with arguments of all types.
    fn expression(text: &str) -> Expression {
        let policy = format!(
            "{{apiVersion: cilium.io/v1alpha1, kind: TracingPolicy, metadata: {{name: p}}, spec: {{kprobes: [{{\
             call: f, syscall: false, args: [{{index: 0, type: int}}, {{index: 1, type: uint32}}, \
             {{index: 2, type: int64}}, {{index: 3, type: uint64}}], selectors: [{{matchArgs: [{{\
             operator: CelExpr, values: [\"{text}\"]}}]}}]}}]}}}}"
        );
        let policies = Policy::parse(&policy, Path::new("p.yaml")).unwrap_or_else(|error| panic!("{error}"));
        match &policies[0].plan().hooks[0].selectors[0].arguments[0].test {
            Test::Expression(expression) => expression.clone(),
            test => panic!("{test:?}"),
        }
    }

    fn lowered(expression: &Expression, before: usize) -> (Lowered, Filter) {
        let mut lowered = Lowered {
            config: zeroed(),
            members: Vec::new(),
            ranges: Vec::new(),
            texts: Vec::new(),
            assignments: Vec::new(),
            operations: before,
        };
        let filter = lowered.expression(expression).unwrap();
        (lowered, filter)
    }

    #[test]
    fn the_kernel_evaluates_expressions_as_they_are_written() {
        const VALUES: [i64; 8] = [0, 1, -1, 1024, i32::MIN as i64, i32::MAX as i64, i64::MIN, i64::MAX];
        type Plain = fn(i32, u32, i64, u64) -> bool;
        let cases: &[(&str, Plain)] = &[
            ("arg0 == int32(-1) && arg0 < int32(1024)", |a, _, _, _| a == -1 && a < 1024),
            ("arg0 == int32(-1) || arg1 >= uint32(1024u)", |a, b, _, _| a == -1 || b >= 1024),
            ("!(arg2 > 5) && arg2 != -1", |_, _, c, _| c <= 5 && c != -1),
            ("arg3 - 1u > arg3", |_, _, _, d| d.wrapping_sub(1) > d),
            ("arg0 + int32(1) < arg0", |a, _, _, _| a.wrapping_add(1) < a),
            ("arg1 + arg1 <= uint32(2u)", |_, b, _, _| b.wrapping_add(b) <= 2),
            ("and(arg3, 0xffu) == xor(arg3, not(0u))", |_, _, _, d| d & 0xff == !d),
            ("or(arg0, int32(1)) == arg0", |a, _, _, _| a | 1 == a),
            ("int32(arg2) == arg0 && uint32(arg3) == arg1", |a, b, c, d| c as i32 == a && d as u32 == b),
            ("not(arg1) > arg1 == true", |_, b, _, _| !b > b),
            ("1 - (2 - (3 - arg2)) < 3 - (2 - 1)", |_, _, c, _| {
                1_i64.wrapping_sub(2_i64.wrapping_sub(3_i64.wrapping_sub(c))) < 2
            }),
            ("arg0 == arg0 && 5u - 10u == 18446744073709551611u", |_, _, _, _| true),
            ("arg0 == arg0 && 18446744073709551611u + 6u == 1u", |_, _, _, _| true),
            ("arg0 == arg0 && int32(-1) == int32(4294967295)", |_, _, _, _| true),
            ("arg0 == arg0 && uint32(6u) == uint32(17179869190u)", |_, _, _, _| true),
            ("arg0 != arg0 || uint32(3u) != uint32(5u) - uint32(2u)", |_, _, _, _| false),
            ("arg0 == arg0 && int32(-2) == int32(5) - int32(7)", |_, _, _, _| true),
            ("(arg0 == arg0) == (5 == 10)", |_, _, _, _| false),
            ("arg2 < 0 != (arg0 < int32(0))", |a, _, c, _| (c < 0) != (a < 0)),
        ];
        let mut outcomes = [0, 0];
        for (text, plain) in cases {
            let expression = expression(text);
            let (lowered, filter) = lowered(&expression, 7);
            for (at, first) in VALUES.iter().enumerate() {
                for second in VALUES {
                    let (a, b, c, d) = (*first as i32, second as u32, VALUES[(at + 3) % 8], second as u64);
                    let arguments = [i64::from(a) as u64, b.into(), c as u64, d];
                    let expected = plain(a, b, c, d);
                    let mut places = Places { values: [9; MAX_PLACES + 1] };
                    #[allow(unsafe_code, reason = "the evaluator takes memory of the kernel's")]
                    // SAFETY: memory of its own.
                    let found = unsafe {
                        evaluate(&lowered.config, &filter, &raw mut places, |slot| {
                            Some(arguments[slot as usize])
                        })
                    };
                    assert_eq!(found, Verdict::from(expected), "{text} of {a}, {b}, {c}, {d}");
                    assert_eq!(expression.holds(|slot| Some(arguments[slot])), Some(expected), "{text}");
                    outcomes[usize::from(expected)] += 1;
                }
            }
        }
        assert!(outcomes.iter().all(|count| *count > 100), "{outcomes:?}");
    }

    #[test]
    fn expressions_of_a_hook_share_the_room_for_operations() {
        let expression = expression("arg3 == 1u && arg0 == int32(2)");
        let (mut lowered, filter) = lowered(&expression, MAX_OPERATIONS - 7);
        assert_eq!((filter.slot, filter.values, filter.count), (0b1001, 249, 7));
        let error = lowered.expression(&expression).unwrap_err();
        assert!(error.starts_with("263 numbers, arguments and operators"), "{error}");
    }
}
