//! The policy schema for editors and people, from the same tables that the parser reads by.

mod texts;

use serde_json::{Map, Value, json};
use texts::TEXTS;

use crate::fields::Shape;
use crate::schema;
use crate::suggest::nearest;

/// Every kind of mapping in a policy. One that is missing here is not described further, and refused nowhere.
const SHAPES: &[&Shape] = &[
    &schema::POLICY,
    &schema::METADATA,
    &schema::SPEC,
    &schema::ENFORCER,
    &schema::LIST,
    &schema::OPTION,
    &schema::KPROBE,
    &schema::IGNORE,
    &schema::ARGUMENT,
    &schema::RETURN_ARGUMENT,
    &schema::DATA,
    &schema::SELECTOR,
    &schema::MATCH_PIDS,
    &schema::MATCH_BINARIES,
    &schema::MATCH_PARENT_BINARIES,
    &schema::MATCH_NAMESPACES,
    &schema::MATCH_NAMESPACE_CHANGES,
    &schema::MATCH_CAPABILITIES,
    &schema::MATCH_CAPABILITY_CHANGES,
    &schema::MATCH_CURRENT_CRED,
    &schema::USER_IDS,
    &schema::MATCH_WORKLOADS,
    &schema::SCOPE_SELECTOR,
    &schema::CONTAINER_SELECTOR,
    &schema::NODE_SELECTOR,
    &schema::MATCH_EXPRESSIONS,
    &schema::EFFECTIVE_USER_IDS,
    &schema::MATCH_ARGS,
    &schema::MATCH_DATA,
    &schema::MATCH_RETURN_ARGS,
    &schema::MATCH_ACTIONS,
    &schema::MATCH_RETURN_ACTIONS,
];

/// Fields that are lists of single values.
const LISTS: &[&str] = &["values", "tags", "args", "calls"];

/// Words that a field can hold, supported ones and others.
pub(crate) fn words(path: &str) -> Option<(Vec<&'static str>, &'static [&'static str])> {
    fn of<T>(words: &crate::fields::Vocabulary<T>) -> (Vec<&'static str>, &'static [&'static str]) {
        (words.supported.iter().map(|(word, _)| *word).collect(), words.later)
    }
    Some(match path {
        "apiVersion" => of(&schema::API_VERSIONS),
        "kind" => of(&schema::KINDS),
        "spec.kprobes.args.type" | "spec.kprobes.data.type" | "spec.kprobes.returnArg.type" => {
            of(&schema::TYPES)
        }
        "spec.kprobes.data.source" => of(&schema::SOURCES),
        "spec.kprobes.returnArgAction" => of(&schema::RETURN_ACTIONS),
        "spec.lists.type" => of(&schema::LIST_TYPES),
        "spec.options.name" => of(&schema::OPTIONS),
        "spec.kprobes.selectors.matchPIDs.operator" => of(&schema::PID_OPERATORS),
        "spec.kprobes.selectors.matchBinaries.operator" => of(&schema::BINARY_OPERATORS),
        "spec.kprobes.selectors.matchParentBinaries.operator" => of(&schema::BINARY_OPERATORS),
        "spec.kprobes.selectors.matchNamespaces.namespace" => of(&schema::NAMESPACES),
        "spec.kprobes.selectors.matchNamespaces.operator"
        | "spec.kprobes.selectors.matchNamespaceChanges.operator"
        | "spec.kprobes.selectors.matchCapabilities.operator"
        | "spec.kprobes.selectors.matchCapabilityChanges.operator" => of(&schema::MEMBERSHIP),
        "spec.kprobes.selectors.matchCapabilities.type"
        | "spec.kprobes.selectors.matchCapabilityChanges.type" => of(&schema::CAPABILITY_SETS),
        "spec.kprobes.selectors.matchCurrentCred.uid.operator"
        | "spec.kprobes.selectors.matchCurrentCred.euid.operator" => of(&schema::USER_OPERATORS),
        "spec.kprobes.selectors.matchActions.rateLimitScope" => of(&schema::RATE_SCOPES),
        "spec.kprobes.selectors.matchArgs.operator"
        | "spec.kprobes.selectors.matchData.operator"
        | "spec.kprobes.selectors.matchReturnArgs.operator" => of(&schema::ARGUMENT_OPERATORS),
        "spec.podSelector.matchExpressions.operator" => of(&schema::LABEL_OPERATORS),
        "spec.kprobes.selectors.matchActions.action" | "spec.kprobes.selectors.matchReturnActions.action" => {
            of(&schema::ACTIONS)
        }
        _ => return None,
    })
}

fn shape(path: &str) -> Option<&'static Shape> {
    SHAPES.iter().copied().find(|shape| shape.path == path)
}

pub(crate) fn text(path: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == path).map(|(_, text)| *text)
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// The JSON Schema of a policy, of draft 2020-12, with the fields and words that serin supports.
///
/// It accepts no field that the parser refuses as unknown or not supported yet; it says less about values, which
/// `serin policy check` knows better.
#[must_use]
pub fn json_schema() -> Value {
    let mut root = mapping(&schema::POLICY);
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("TracingPolicy, as serin reads it");
    root["required"] = json!(["apiVersion", "kind", "metadata", "spec"]);
    root
}

fn mapping(shape: &Shape) -> Value {
    let fields =
        shape.supported.iter().map(|field| ((*field).to_owned(), property(&join(shape.path, field))));
    json!({
        "type": "object",
        "properties": fields.collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

fn property(path: &str) -> Value {
    let name = path.rsplit('.').next().unwrap_or(path);
    let mut property = match (shape(path), words(path)) {
        (Some(shape), _) if shape.in_list => json!({ "type": "array", "items": mapping(shape) }),
        (Some(shape), _) => mapping(shape),
        (None, Some((words, _))) => json!({ "enum": words }),
        (None, None) if LISTS.contains(&name) => {
            json!({ "type": "array", "items": { "type": ["string", "number", "boolean"] } })
        }
        (None, None) => json!({}),
    };
    if let Some(text) = text(path) {
        property["description"] = json!(text);
    }
    property
}

/// What a field means, what stands in it, and which words it can hold. `path` is like `spec.kprobes.call`, or the end of
/// one: `matchArgs.operator`; an empty one is the policy itself.
///
/// # Errors
/// There is no such field, or several; the message says which there are.
pub fn explain(path: &str) -> Result<String, String> {
    let all = paths();
    let path = match all.iter().filter(|known| ends_with(known, path)).collect::<Vec<_>>().as_slice() {
        _ if path.is_empty() || all.iter().any(|known| known == path) => path.to_owned(),
        [one] => (*one).clone(),
        [] => return Err(unknown(path, &all)),
        several => {
            let several: Vec<_> = several.iter().map(|path| format!("  {path}")).collect();
            return Err(format!("several fields are called `{path}`:\n{}", several.join("\n")));
        }
    };
    let mut lines = vec![if path.is_empty() { "a policy".to_owned() } else { path.clone() }];
    lines.extend(text(&path).map(|text| format!("  {text}")));
    if let Some(shape) = shape(&path) {
        let kind = if shape.in_list { "a list of mappings" } else { "a mapping" };
        lines.push(format!("\n{kind} with the fields"));
        for field in shape.supported {
            let text = text(&join(&path, field)).unwrap_or_default();
            lines.push(format!("  {field:<16} {text}").trim_end().to_owned());
        }
        lines.extend(list("not supported yet", shape.later));
    }
    if let Some((supported, later)) = words(&path) {
        lines.extend(list("one of", &supported));
        lines.extend(list("not supported yet", later));
    }
    if unsupported(&path) {
        lines.push("  Not supported yet: a policy may have it with its default only.".to_owned());
    }
    Ok(lines.join("\n"))
}

fn list(title: &str, words: &[&str]) -> Option<String> {
    (!words.is_empty()).then(|| format!("\n{title}\n  {}", words.join(", ")))
}

/// All fields, supported or not.
pub(crate) fn paths() -> Vec<String> {
    let fields = |shape: &&'static Shape| {
        let (path, names) = (shape.path, shape.supported.iter().chain(shape.later));
        names.map(move |name| join(path, name)).collect::<Vec<_>>()
    };
    SHAPES.iter().flat_map(fields).collect()
}

pub(crate) fn unsupported(path: &str) -> bool {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    shape(parent).is_some_and(|shape| shape.later.contains(&name))
}

/// Whether a path ends in these keys.
fn ends_with(path: &str, keys: &str) -> bool {
    path.strip_suffix(keys).is_some_and(|rest| rest.ends_with('.'))
}

fn unknown(path: &str, all: &[String]) -> String {
    let last = path.rsplit('.').next().unwrap_or(path);
    let names = all.iter().map(|known| known.rsplit('.').next().unwrap_or(known));
    let near = nearest(path, all.iter().map(String::as_str)).or_else(|| nearest(last, names));
    let help = near.map_or_else(
        || "`serin policy explain` without a field shows where to begin".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("a policy has no field `{path}`; {help}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn texts_are_of_fields_that_there_are() {
        let all = paths();
        for (path, _) in TEXTS {
            assert!(all.iter().any(|known| known == path), "{path}");
        }
    }

    #[test]
    fn every_field_has_a_text() {
        let missing: Vec<_> = paths().into_iter().filter(|path| text(path).is_none()).collect();
        assert!(missing.is_empty(), "write what they mean in describe/texts.rs: {missing:#?}");
    }

    #[test]
    fn the_schema_has_the_parsers_fields_and_words() {
        let schema = json_schema();
        let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
        let hook = "/properties/spec/properties/kprobes/items";
        assert_eq!(at(hook)["additionalProperties"], false);
        let fields: Vec<_> = at(hook)["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut supported = schema::KPROBE.supported.to_vec();
        supported.sort_unstable();
        let mut sorted = fields.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, supported);
        let types = at(&format!("{hook}/properties/args/items/properties/type/enum"));
        assert!(types.as_array().unwrap().contains(&json!("linux_binprm")));
        let action =
            format!("{hook}/properties/selectors/items/properties/matchActions/items/properties/action");
        assert!(at(&action)["enum"].as_array().unwrap().contains(&json!("Sigkill")));
    }

    #[test]
    fn explains_by_path_or_by_its_end() {
        for (path, words) in [
            ("", vec!["apiVersion", "spec"]),
            ("spec.kprobes.call", vec!["spec.kprobes.call", "The function to hook"]),
            ("call", vec!["spec.kprobes.call"]),
            ("matchArgs.operator", vec!["Postfix", "SubString", "CelExpr"]),
            ("metadata", vec!["generateName", "not supported yet"]),
            ("spec.kprobes", vec!["a list of mappings", "selectors"]),
            ("generateName", vec!["Not supported yet"]),
        ] {
            let text = explain(path).unwrap();
            assert!(words.iter().all(|word| text.contains(word)), "{path}: {text}");
        }
        for (path, message) in [
            ("spec.kprobe", "did you mean `spec.kprobes`?"),
            ("matchArg", "did you mean `matchArgs`?"),
            (
                "operator",
                "several fields are called `operator`:\n  spec.kprobes.selectors.matchPIDs.operator",
            ),
            ("zzzzzzzzzzzz", "without a field shows where to begin"),
        ] {
            let error = explain(path).unwrap_err();
            assert!(error.contains(message), "{path}: {error}");
        }
    }
}
