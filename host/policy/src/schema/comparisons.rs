//! How arguments are compared.

use crate::Part;
use crate::fields::{Shape, Vocabulary};

pub(crate) const MATCH_ARGS: Shape = Shape {
    path: "spec.kprobes.selectors.matchArgs",
    in_list: true,
    supported: &["index", "args", "operator", "values"],
    later: &[],
};

pub(crate) const MATCH_DATA: Shape = Shape { path: "spec.kprobes.selectors.matchData", ..MATCH_ARGS };

pub(crate) const MATCH_RETURN_ARGS: Shape =
    Shape { path: "spec.kprobes.selectors.matchReturnArgs", ..MATCH_ARGS };

/// Operators that compare an argument with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// `Not…`
    pub(crate) negated: bool,
    pub(crate) relation: Relation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Greater,
    Less,
    Mask,
    InMap,
    InRange,
    Prefix,
    Postfix,
    SubString,
    /// The same, whether letters are capital or small.
    SubStringAnyCase,
    /// A part of the argument equals a value or is in a range of values.
    Part(Part),
    /// A port is below 1024; such operators have no values.
    Privileged(Part),
    /// An expression over arguments is true.
    Expression,
    /// A second argument has a bit that the first lacks; it has no values either.
    Gained,
}

const fn is(relation: Relation) -> Comparison {
    Comparison { negated: false, relation }
}

const fn is_not(relation: Relation) -> Comparison {
    Comparison { negated: true, relation }
}

pub(crate) const ARGUMENT_OPERATORS: Vocabulary<Comparison> = Vocabulary {
    what: "an operator of matchArgs",
    supported: &[
        ("Equal", is(Relation::Equal)),
        ("NotEqual", is_not(Relation::Equal)),
        ("GT", is(Relation::Greater)),
        ("GreaterThan", is(Relation::Greater)),
        ("LT", is(Relation::Less)),
        ("LessThan", is(Relation::Less)),
        ("Mask", is(Relation::Mask)),
        ("InMap", is(Relation::InMap)),
        ("NotInMap", is_not(Relation::InMap)),
        ("InRange", is(Relation::InRange)),
        ("NotInRange", is_not(Relation::InRange)),
        ("Prefix", is(Relation::Prefix)),
        ("NotPrefix", is_not(Relation::Prefix)),
        ("Postfix", is(Relation::Postfix)),
        ("NotPostfix", is_not(Relation::Postfix)),
        ("SubString", is(Relation::SubString)),
        ("SubStringIgnCase", is(Relation::SubStringAnyCase)),
        ("SAddr", is(Relation::Part(Part::SAddr))),
        ("NotSAddr", is_not(Relation::Part(Part::SAddr))),
        ("DAddr", is(Relation::Part(Part::DAddr))),
        ("NotDAddr", is_not(Relation::Part(Part::DAddr))),
        ("SPort", is(Relation::Part(Part::SPort))),
        ("NotSPort", is_not(Relation::Part(Part::SPort))),
        ("DPort", is(Relation::Part(Part::DPort))),
        ("NotDPort", is_not(Relation::Part(Part::DPort))),
        ("SPortPriv", is(Relation::Privileged(Part::SPort))),
        // Tetragon's schema writes one of them with a small p.
        ("NotSportPriv", is_not(Relation::Privileged(Part::SPort))),
        ("NotSPortPriv", is_not(Relation::Privileged(Part::SPort))),
        ("DPortPriv", is(Relation::Privileged(Part::DPort))),
        ("NotDPortPriv", is_not(Relation::Privileged(Part::DPort))),
        ("Protocol", is(Relation::Part(Part::Protocol))),
        ("Family", is(Relation::Part(Part::Family))),
        ("State", is(Relation::Part(Part::State))),
        ("CapabilitiesGained", is(Relation::Gained)),
        ("FileType", is(Relation::Part(Part::FileType))),
        ("NotFileType", is_not(Relation::Part(Part::FileType))),
        ("CelExpr", is(Relation::Expression)),
    ],
    later: &[],
};
