//! The policy schema for editors and people, from the same tables that the parser reads by.

use serde_json::{Map, Value, json};

use crate::fields::Shape;
use crate::schema;
use crate::suggest::nearest;

/// Every kind of mapping in a policy. One that is missing here is not described further, and refused nowhere.
const SHAPES: &[&Shape] = &[
    &schema::POLICY,
    &schema::METADATA,
    &schema::SPEC,
    &schema::ENFORCER,
    &schema::OPTION,
    &schema::KPROBE,
    &schema::IGNORE,
    &schema::ARGUMENT,
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
    &schema::MATCH_EXPRESSIONS,
    &schema::EFFECTIVE_USER_IDS,
    &schema::MATCH_ARGS,
    &schema::MATCH_DATA,
    &schema::MATCH_ACTIONS,
];

/// Fields that are lists of single values.
const LISTS: &[&str] = &["values", "tags", "args", "calls"];

/// What fields mean. Those of sections beside `kprobes` mean the same there.
const TEXTS: &[(&str, &str)] = &[
    ("apiVersion", "Always cilium.io/v1alpha1."),
    (
        "kind",
        "TracingPolicy, or TracingPolicyNamespaced, which with `metadata.namespace` is about that namespace's pods.",
    ),
    (
        "metadata.namespace",
        "For TracingPolicyNamespaced: the namespace of Kubernetes whose pods the policy is about.",
    ),
    (
        "spec.loader",
        "Tell of each file that a process maps to execute it, with its build ID, in events of their own: process_loader.",
    ),
    ("spec.podSelector", "Only processes in containers of pods with such labels."),
    ("spec.containerSelector", "Only processes in containers with such a `name`, `repo` or `id`."),
    ("spec.hostSelector", "`{}`: processes that are in no container; beside the other two, also those."),
    ("spec.podSelector.matchLabels", "Labels and their values. All must be so."),
    ("spec.podSelector.matchExpressions", "What labels must be. All must hold."),
    (
        "spec.kprobes.selectors.matchWorkloads",
        "Whose calls, as the policy's podSelector, containerSelector and hostSelector say it.",
    ),
    ("metadata", "Whose policy this is; only the name matters."),
    ("metadata.name", "The policy's name, unique among those that are loaded: a DNS name in lower case."),
    ("spec", "What to hook, and what to do then."),
    ("spec.enforcers", "System calls that NotifyEnforcer has refused, wherever it is taken."),
    ("spec.enforcers.calls", "System calls, as in `call`, and lists of them: list:NAME."),
    ("spec.options", "How the policy as a whole is loaded."),
    (
        "spec.options.name",
        "policy-mode says whether the policy starts by enforcing or only monitors; the others tune how Tetragon attaches \
         hooks and refuses calls, which serin finds out by itself.",
    ),
    ("spec.options.value", "For policy-mode: enforce or monitor."),
    ("spec.selectorsMacros", "Filters by name, for selectors to take in."),
    ("spec.kprobes.selectors.macros", "Names of macros, whose filters this selector has as well."),
    ("spec.kprobes", "Hooks on kernel functions and system calls."),
    ("spec.fentries", "The same: how a function is hooked depends on the kernel."),
    (
        "spec.tracepoints",
        "Hooks on tracepoints: `subsystem` and `event` as tracefs names them; `args` are fields of the record by their \
         number in the event's format, or with `raw: true` the tracepoint's own arguments.",
    ),
    ("spec.lsmhooks", "Hooks on LSM hooks, called `hook`: file_open."),
    (
        "spec.uprobes",
        "Hooks in the program or library at `path`: at `symbols`, at `offsets` in the file, or at the addresses `addrs`.",
    ),
    ("spec.usdts", "Hooks on USDT probes, as `provider` and `name`, of the program or library at `path`."),
    (
        "spec.kprobes.call",
        "The function to hook: sys_symlinkat, fd_install. A system call unless `syscall: false`.",
    ),
    ("spec.kprobes.syscall", "Whether `call` is a system call. True by default."),
    ("spec.kprobes.message", "A text that events of this hook carry, at most 256 bytes."),
    ("spec.kprobes.tags", "Tags that events of this hook carry: at most 16, each of at most 128 bytes."),
    ("spec.kprobes.args", "The parameters to read, in the order in which events show them."),
    ("spec.kprobes.args.index", "The parameter's number, counted from 0."),
    ("spec.kprobes.args.type", "How the parameter is read; checked against the kernel's types."),
    ("spec.kprobes.args.label", "A name for the argument in events."),
    (
        "spec.kprobes.args.resolve",
        "What of the parameter is read: fields and elements, as in mm.owner.real_parent.comm or [0]; pointers between them \
         are followed.",
    ),
    (
        "spec.kprobes.args.btfType",
        "For resolve: the structure that the parameter points to, if its type does not tell.",
    ),
    ("spec.kprobes.args.BTFType", "The same as btfType."),
    (
        "spec.kprobes.args.sizeArgIndex",
        "For char_buf: the parameter that says how many bytes there are, counted from 1.",
    ),
    (
        "spec.kprobes.args.returnCopy",
        "For char_buf: read it when the call has returned, as many bytes as it returned.",
    ),
    ("spec.kprobes.data", "What is read beside the arguments; events show it under `data`."),
    ("spec.kprobes.data.index", "Says nothing: filters count the entries."),
    ("spec.kprobes.data.type", "How it is read."),
    ("spec.kprobes.data.label", "A name for it in events."),
    ("spec.kprobes.data.source", "current_task, or pt_regs for the registers."),
    (
        "spec.kprobes.data.resolve",
        "Fields of the task, as in cred.uid.val; or the name of a register, as in rdi or eax.",
    ),
    (
        "spec.kprobes.returnArgAction",
        "For functions that return a socket: TrackSock remembers whose it is, UntrackSock forgets that.",
    ),
    ("spec.kprobes.ignore", "What to put up with when the policy is loaded."),
    ("spec.kprobes.ignore.callNotFound", "Leave the hook out if this kernel has no such function."),
    (
        "spec.kprobes.selectors",
        "Tried in order; the first that matches acts. Without any, every call is posted.",
    ),
    ("spec.kprobes.selectors.matchPIDs", "Which processes, by id. All entries must hold."),
    (
        "spec.kprobes.selectors.matchPIDs.operator",
        "Whether the id must be one of the values, or none of them.",
    ),
    ("spec.kprobes.selectors.matchPIDs.values", "Process ids."),
    (
        "spec.kprobes.selectors.matchPIDs.isNamespacePID",
        "Ids are as the process's own pid namespace numbers them.",
    ),
    ("spec.kprobes.selectors.matchPIDs.followForks", "Ids of the process's ancestors count as well."),
    ("spec.kprobes.selectors.matchBinaries", "Which programs, by path. All entries must hold."),
    ("spec.kprobes.selectors.matchBinaries.operator", "How the path is compared with the values."),
    ("spec.kprobes.selectors.matchBinaries.values", "Absolute paths, or how they start or end."),
    (
        "spec.kprobes.selectors.matchBinaries.followChildren",
        "Earlier programs of the process and of its ancestors count as well.",
    ),
    ("spec.kprobes.selectors.matchParentBinaries", "The same of the parent's program."),
    ("spec.kprobes.selectors.matchNamespaces", "Which namespaces the process is in."),
    ("spec.kprobes.selectors.matchNamespaceChanges", "Which kinds of namespaces the process has changed."),
    ("spec.kprobes.selectors.matchCapabilities", "Which capabilities the process has."),
    ("spec.kprobes.selectors.matchCapabilityChanges", "Which capabilities have come or gone."),
    ("spec.kprobes.selectors.matchCurrentCred", "Which user the process runs as."),
    ("spec.kprobes.selectors.matchArgs", "What the arguments must be. All entries must hold."),
    ("spec.kprobes.selectors.matchArgs.index", "The parameter's number, as in `args`; 0 if left out."),
    (
        "spec.kprobes.selectors.matchArgs.args",
        "Another way to say which: the number of the entry in the hook's `args`, counted from 0, in a list; two numbers for \
         CapabilitiesGained.",
    ),
    ("spec.kprobes.selectors.matchArgs.operator", "How the argument is compared with the values."),
    (
        "spec.kprobes.selectors.matchArgs.values",
        "What it is compared with; one must match, or none with Not…",
    ),
    ("spec.kprobes.selectors.matchData", "What the entries of `data` must be. All entries must hold."),
    ("spec.kprobes.selectors.matchData.index", "The number of the entry of `data`, from 0; 0 if left out."),
    ("spec.kprobes.selectors.matchData.args", "The same, as a list with one number."),
    ("spec.kprobes.selectors.matchData.operator", "How it is compared with the values."),
    (
        "spec.kprobes.selectors.matchData.values",
        "What it is compared with; one must match, or none with Not…",
    ),
    (
        "spec.kprobes.selectors.matchActions",
        "What to do; all of it is done. Without any, the call is posted.",
    ),
    ("spec.kprobes.selectors.matchActions.action", "What to do."),
    (
        "spec.kprobes.selectors.matchActions.argError",
        "For Override and NotifyEnforcer: the error to return, -4095 to -1.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argIndex",
        "For Set: the probe's argument, four bytes in memory, counted from 0.",
    ),
    ("spec.kprobes.selectors.matchActions.argValue", "For Set: what the argument becomes."),
    (
        "spec.kprobes.selectors.matchActions.argFd",
        "For FollowFD, UnfollowFD, CopyFD: the number of the parameter that is the descriptor.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argName",
        "For FollowFD: the parameter that is the name. For CopyFD: the other descriptor.",
    ),
    (
        "spec.kprobes.selectors.matchActions.rateLimit",
        "For Post: how long equal calls are held back: 30s, 5m, 1h.",
    ),
    (
        "spec.kprobes.selectors.matchActions.rateLimitScope",
        "For Post: whose calls are held against each other; thread by default.",
    ),
    ("spec.kprobes.selectors.matchActions.argFqdn", "For DnsLookup: the name to look up."),
    (
        "spec.kprobes.selectors.matchActions.argSig",
        "For Signal and NotifyEnforcer: the signal's number, 1 to 64.",
    ),
    (
        "spec.kprobes.selectors.matchActions.argSock",
        "For TrackSock and UntrackSock: the parameter that is the socket, counted from 0.",
    ),
    ("spec.kprobes.selectors.matchActions.argUrl", "For GetUrl: an absolute http or https URL."),
];

/// Words that a field can hold, supported ones and others.
pub(crate) fn words(path: &str) -> Option<(Vec<&'static str>, &'static [&'static str])> {
    fn of<T>(words: &crate::fields::Vocabulary<T>) -> (Vec<&'static str>, &'static [&'static str]) {
        (words.supported.iter().map(|(word, _)| *word).collect(), words.later)
    }
    Some(match path {
        "apiVersion" => of(&schema::API_VERSIONS),
        "kind" => of(&schema::KINDS),
        "spec.kprobes.args.type" => of(&schema::TYPES),
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
        "spec.kprobes.selectors.matchArgs.operator" => of(&schema::ARGUMENT_OPERATORS),
        "spec.podSelector.matchExpressions.operator" => of(&schema::LABEL_OPERATORS),
        "spec.kprobes.selectors.matchActions.action" => of(&schema::ACTIONS),
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
        assert!(!types.as_array().unwrap().contains(&json!(schema::TYPES.later[0])));
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
            ("matchArgs.operator", vec!["Postfix", "SubString", "not supported yet"]),
            ("spec.kprobes", vec!["a list of mappings", "selectors"]),
            ("nodeSelector", vec!["Not supported yet"]),
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
