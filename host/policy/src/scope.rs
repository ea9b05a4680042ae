//! Whose calls a policy or a selector is about: those of the host's own processes, or of containers by what is known of
//! them.

use std::collections::BTreeMap;

use crate::diagnostic::quote;
use crate::fields::{Field, Fields};
use crate::report::Report;
use crate::scalar::{Plain, plain_kind};
use crate::schema::{LABEL_OPERATORS, MATCH_EXPRESSIONS, MATCH_LABELS, MATCH_WORKLOADS, SCOPE_SELECTOR};
use crate::selector::read_each;
use crate::tree::Value;

/// The key of `containerSelector` that is the container's id.
const ID: &str = "id";

/// The label that the pod's namespace is compared by.
///
/// <https://github.com/cilium/tetragon/blob/main/pkg/labels/labels.go>
const POD_NAMESPACE: &str = "k8s:io.kubernetes.pod.namespace";

/// `podSelector`, `containerSelector` and `hostSelector`: a process must be in one of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// `hostSelector: {}`: processes that are in no container.
    pub host: bool,
    /// Those that are in such a container.
    pub containers: Option<ContainerScope>,
}

/// Containers, by what is known of them. All must hold; nothing that is asked holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ContainerScope {
    /// `metadata.namespace` of a `TracingPolicyNamespaced`.
    pub namespace: Option<String>,
    /// `podSelector`: what its pod's labels must be.
    pub pod: Vec<Requirement>,
    /// `containerSelector`: what its `name`, `repo` and `id` must be.
    pub container: Vec<Requirement>,
}

/// What a label must be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// With what; empty for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

/// How a label is compared: <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LabelOperator {
    /// It is there, and one of the values.
    In,
    /// It is not there, or none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// What is known of a container beside its id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// Its name in its pod.
    pub name: Option<String>,
    /// The repository of its image.
    pub repo: Option<String>,
    /// Its pod's namespace.
    pub namespace: String,
    /// Its pod's labels.
    pub labels: BTreeMap<String, String>,
}

impl ContainerScope {
    /// Whether it asks for what nothing but a [`Description`] tells.
    #[must_use]
    pub fn needs_description(&self) -> bool {
        self.namespace.is_some()
            || !self.pod.is_empty()
            || self.container.iter().any(|requirement| requirement.key != ID)
    }

    /// Whether a container with this id is in it. One that is not described is in none that needs that.
    #[must_use]
    pub fn holds_for(&self, id: &str, description: Option<&Description>) -> bool {
        if self.needs_description() && description.is_none() {
            return false;
        }
        let field = |key: &str| match key {
            ID => Some(id),
            "name" => description?.name.as_deref(),
            "repo" => description?.repo.as_deref(),
            _ => None,
        };
        let label = |key: &str| match key {
            POD_NAMESPACE => Some(description?.namespace.as_str()),
            _ => description?.labels.get(key).map(String::as_str),
        };
        let namespace = self.namespace.as_ref();
        namespace.is_none_or(|namespace| description.is_some_and(|known| known.namespace == *namespace))
            && self.pod.iter().all(|requirement| requirement.holds_for(label(&requirement.key)))
            && self.container.iter().all(|requirement| requirement.holds_for(field(&requirement.key)))
    }
}

impl Requirement {
    /// Whether it holds for the value of its label, if there is one.
    #[must_use]
    pub fn holds_for(&self, value: Option<&str>) -> bool {
        let is_among = value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value));
        match self.operator {
            LabelOperator::In => is_among,
            LabelOperator::NotIn => !is_among,
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// Reads the scope of `spec`; `Some(None)` if it has none, and so is about everybody.
pub(crate) fn read(
    fields: &Fields<'_>,
    namespace: Option<&str>,
    report: &mut Report<'_>,
) -> Option<Option<Scope>> {
    let host_field = fields.get("hostSelector").filter(|field| !is_null(*field));
    let host = host_field.map_or(Some(false), |field| read_host(field, report));
    let mut labels = |name, keys| {
        let field = fields.get(name).filter(|field| !is_null(*field));
        field.map_or(Some(None), |field| read_labels(field, keys, report).map(Some))
    };
    let pod = labels("podSelector", None);
    let container = labels("containerSelector", Some(&["name", "repo", ID][..]));
    let (host, pod, container) = (host?, pod?, container?);
    if let Some(field) = host_field.filter(|_| namespace.is_some()) {
        let message = "a policy of a namespace is about its pods, not about the host";
        report.error_with_help(field.span(), message, "leave `hostSelector` or `metadata.namespace` out");
        return None;
    }
    let is_all = |labels: &Option<Vec<_>>| labels.as_ref().is_some_and(Vec::is_empty);
    let asked = host || pod.is_some() || container.is_some() || namespace.is_some();
    if !asked || host && is_all(&pod) && is_all(&container) {
        return Some(None);
    }
    let some = pod.is_some() || container.is_some() || namespace.is_some();
    let containers = some.then(|| ContainerScope {
        namespace: namespace.map(String::from),
        pod: pod.unwrap_or_default(),
        container: container.unwrap_or_default(),
    });
    Some(Some(Scope { host, containers }))
}

/// Reads `nodeSelector`: what the labels of the host must be that the policy is for; nothing if it is for all.
pub(crate) fn read_nodes(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Vec<Requirement>> {
    let field = fields.get("nodeSelector").filter(|field| !is_null(*field));
    field.map_or(Some(vec![]), |field| read_labels(field, None, report))
}

/// Reads `matchWorkloads` of a selector.
pub(crate) fn read_workloads(field: Field<'_>, report: &mut Report<'_>) -> Option<Option<Scope>> {
    let fields = Fields::read(field.node, &MATCH_WORKLOADS, report)?;
    let scope = read(&fields, None, report)?;
    if scope.is_none()
        && ["hostSelector", "podSelector", "containerSelector"]
            .iter()
            .all(|name| fields.get(name).is_none_or(is_null))
    {
        report.error_with_help(field.span(), "`matchWorkloads` asks for nothing", "add `hostSelector: {}`");
        return None;
    }
    Some(scope)
}

fn is_null(field: Field<'_>) -> bool {
    matches!(&field.node.value, Value::Scalar { text, plain } if plain_kind(text, *plain) == Plain::Null)
}

fn read_host(field: Field<'_>, report: &mut Report<'_>) -> Option<bool> {
    match &field.node.value {
        Value::Mapping(entries) if entries.is_empty() => Some(true),
        _ => field.refuse("`{}`, for the host's processes, or nothing", report),
    }
}

/// The requirements of a label selector; `keys` are those that there are, if not any.
fn read_labels(field: Field<'_>, keys: Option<&[&str]>, report: &mut Report<'_>) -> Option<Vec<Requirement>> {
    let fields = Fields::read(field.node, &SCOPE_SELECTOR, report)?;
    let labels = fields.get("matchLabels").map_or(Some(vec![]), |labels| read_match_labels(labels, report));
    let expressions =
        fields.get("matchExpressions").map_or(Some(vec![]), |list| read_each(list, report, read_expression));
    let all: Vec<_> = labels?.into_iter().chain(expressions?).collect();
    let unknown =
        all.iter().find(|requirement| keys.is_some_and(|keys| !keys.contains(&requirement.key.as_str())));
    if let Some(Requirement { key, .. }) = unknown {
        let message = format!("containers have no {}", quote(key));
        report.error_with_help(field.span(), message, "write `name`, `repo` or `id`");
        return None;
    }
    Some(all)
}

fn read_match_labels(labels: Field<'_>, report: &mut Report<'_>) -> Option<Vec<Requirement>> {
    let Value::Mapping(entries) = &labels.node.value else {
        return labels.refuse("a mapping of labels to values", report);
    };
    let read = |entry: &crate::tree::Entry| {
        let value = Field { path: MATCH_LABELS, name: "…", in_list: false, node: &entry.node };
        let values = vec![value.optional_string(report)?.to_owned()];
        Some(Requirement { key: entry.key.clone(), operator: LabelOperator::In, values })
    };
    entries.iter().map(read).collect()
}

fn read_expression(item: Field<'_>, report: &mut Report<'_>) -> Option<Requirement> {
    let fields = Fields::read(item.node, &MATCH_EXPRESSIONS, report)?;
    let key = fields.require("key", report).and_then(|key| key.string(report));
    let operator = fields.require("operator", report)?;
    let word = operator.word(&LABEL_OPERATORS, report)?;
    let values = match (word, fields.get("values").filter(|values| !crate::fields::is_default(values.node))) {
        (LabelOperator::In | LabelOperator::NotIn, Some(values)) => {
            read_each(values, report, |value, report| value.optional_string(report).map(String::from))?
        }
        (LabelOperator::Exists | LabelOperator::DoesNotExist, None) => vec![],
        (_, None) => {
            report.error_with_help(
                operator.span(),
                "this operator compares with values",
                "add `values: […]`",
            );
            return None;
        }
        (_, Some(values)) => {
            report.error_with_help(values.span(), "this operator takes no values", "leave `values` out");
            return None;
        }
    };
    Some(Requirement { key: key?.to_owned(), operator: word, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(key: &str, operator: LabelOperator, values: &[&str]) -> Requirement {
        Requirement { key: key.into(), operator, values: values.iter().map(|&value| value.into()).collect() }
    }

    #[test]
    fn labels_are_compared_as_kubernetes_does() {
        use LabelOperator::{DoesNotExist, Exists, In, NotIn};
        let known = Description {
            name: Some("main".into()),
            namespace: "shop".into(),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            ..Description::default()
        };
        for (requirement, expected) in [
            (requirement("app", In, &["db", "web"]), true),
            (requirement("app", In, &["db"]), false),
            (requirement("tier", In, &["db"]), false),
            (requirement("app", NotIn, &["web"]), false),
            (requirement("tier", NotIn, &["db"]), true),
            (requirement("app", Exists, &[]), true),
            (requirement("tier", DoesNotExist, &[]), true),
            (requirement("app", DoesNotExist, &[]), false),
            (requirement("k8s:io.kubernetes.pod.namespace", In, &["shop"]), true),
        ] {
            let scope = ContainerScope { pod: vec![requirement], ..ContainerScope::default() };
            assert_eq!(scope.holds_for("5e1f", Some(&known)), expected, "{scope:?}");
            assert!(!scope.holds_for("5e1f", None), "not described: {scope:?}");
        }
    }

    #[test]
    fn ids_need_no_description() {
        let scope = ContainerScope {
            container: vec![requirement("id", LabelOperator::In, &["5e1f"])],
            ..ContainerScope::default()
        };
        assert_eq!([scope.holds_for("5e1f", None), scope.holds_for("6e1f", None)], [true, false]);
        assert!(ContainerScope::default().holds_for("6e1f", None));
        let named = ContainerScope { namespace: Some("shop".into()), ..scope };
        assert!(named.needs_description() && !named.holds_for("5e1f", None));
    }
}
