//! The labels of the host, which `nodeSelector` of policies asks for.

use std::collections::BTreeMap;

/// Labels and their values.
pub(crate) type Labels = BTreeMap<String, String>;

/// A label of `--node-label`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    key: String,
    value: String,
}

/// Reads `KEY=VALUE`; the value may be empty.
pub(crate) fn read(text: &str) -> Result<Label, String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    if key.is_empty() {
        return Err("write `KEY=VALUE`, such as `tier=web`".into());
    }
    Ok(Label { key: key.into(), value: value.into() })
}

/// The labels of a host with this name: those that Kubernetes gives each node, and those that are given, which go over them.
///
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/>
pub(crate) fn labels(name: &str, given: &[Label]) -> Labels {
    let known =
        [("kubernetes.io/hostname", name), ("kubernetes.io/os", "linux"), ("kubernetes.io/arch", "amd64")];
    let known = known.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    known.chain(given.iter().map(|label| (label.key.clone(), label.value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn given_labels_go_over_those_of_every_host() {
        let given =
            ["tier=web", "kubernetes.io/hostname=gull-7", "note=a=b", "gpu="].map(|text| read(text).unwrap());
        let labels = labels("gull", &given);
        let value = |key: &str| labels.get(key).map(String::as_str);
        assert_eq!([value("tier"), value("kubernetes.io/hostname")], [Some("web"), Some("gull-7")]);
        assert_eq!([value("note"), value("gpu"), value("zone")], [Some("a=b"), Some(""), None]);
        assert_eq!([value("kubernetes.io/os"), value("kubernetes.io/arch")], [Some("linux"), Some("amd64")]);
    }

    #[test]
    fn labels_have_keys() {
        for text in ["", "tier", "=web"] {
            assert_eq!(read(text), Err("write `KEY=VALUE`, such as `tier=web`".into()), "{text}");
        }
    }
}
