//! Answers that may be missing.

/// Whether something holds, as far as a recording tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// It can't be told, for this reason.
    Untold(String),
}

use Answer::{No, Untold, Yes};

impl Answer {
    pub(crate) fn untold(reason: impl Into<String>) -> Self {
        Untold(reason.into())
    }

    pub(crate) fn negated_if(self, negated: bool) -> Self {
        match self {
            Yes if negated => No,
            No if negated => Yes,
            answer => answer,
        }
    }

    /// Whether all hold: one that does not settles it, whatever the others are.
    pub(crate) fn all(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::settled_by(No, answers)
    }

    /// Whether any holds.
    pub(crate) fn any(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::settled_by(Yes, answers)
    }

    fn settled_by(settling: Answer, answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut reason = None;
        for answer in answers {
            if answer == settling {
                return settling;
            }
            if let Untold(why) = answer {
                reason.get_or_insert(why);
            }
        }
        reason.map_or_else(|| settling.negated_if(true), Untold)
    }
}

impl From<bool> for Answer {
    fn from(holds: bool) -> Self {
        if holds { Yes } else { No }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_answer_can_settle_what_others_leave_open() {
        let open = || Answer::untold("why");
        for (answers, all, any) in [
            (vec![], Yes, No),
            (vec![Yes, Yes], Yes, Yes),
            (vec![Yes, No], No, Yes),
            (vec![open(), Yes], open(), Yes),
            (vec![open(), No], No, open()),
            (vec![open(), Answer::untold("another")], open(), open()),
        ] {
            assert_eq!(Answer::all(answers.clone()), all, "all of {answers:?}");
            assert_eq!(Answer::any(answers.clone()), any, "any of {answers:?}");
        }
        assert_eq!([Yes, No, open()].map(|answer| answer.negated_if(true)), [No, Yes, open()]);
    }
}
