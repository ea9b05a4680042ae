//! Whose calls a policy or a selector is about.

use crate::LabelOperator;
use crate::fields::{Shape, Vocabulary};

pub(crate) const MATCH_WORKLOADS: Shape = Shape {
    path: "spec.kprobes.selectors.matchWorkloads",
    in_list: false,
    supported: &["podSelector", "containerSelector", "hostSelector"],
    later: &[],
};

pub(crate) const SCOPE_SELECTOR: Shape = Shape {
    path: "spec.podSelector",
    in_list: false,
    supported: &["matchLabels", "matchExpressions"],
    later: &[],
};

pub(crate) const CONTAINER_SELECTOR: Shape = Shape { path: "spec.containerSelector", ..SCOPE_SELECTOR };

pub(crate) const NODE_SELECTOR: Shape = Shape { path: "spec.nodeSelector", ..SCOPE_SELECTOR };

/// Where `matchLabels` stands, for messages.
pub(crate) const MATCH_LABELS: &str = "spec.podSelector.matchLabels";

pub(crate) const MATCH_EXPRESSIONS: Shape = Shape {
    path: "spec.podSelector.matchExpressions",
    in_list: true,
    supported: &["key", "operator", "values"],
    later: &[],
};

pub(crate) const LABEL_OPERATORS: Vocabulary<LabelOperator> = Vocabulary {
    what: "an operator of labels",
    supported: &[
        ("In", LabelOperator::In),
        ("NotIn", LabelOperator::NotIn),
        ("Exists", LabelOperator::Exists),
        ("DoesNotExist", LabelOperator::DoesNotExist),
    ],
    later: &[],
};
