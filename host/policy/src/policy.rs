//! Reads policies: the documents of a file, their metadata and hooks.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::quote;
use crate::enforcer;
use crate::fields::{Field, Fields, Vocabulary, is_default};
use crate::hook::{self, HookPlaces};
use crate::lists::{self, Lists};
use crate::loader;
use crate::macros;
use crate::options::{self, Options};
use crate::report::Report;
use crate::schema::{API_VERSIONS, KINDS, METADATA, POLICY, SECTIONS, SPEC};
use crate::scope;
use crate::selector;
use crate::source::{Source, Span};
use crate::tree::{self, Node};
use crate::{Diagnostic, EnforcedCall, Error, Errors, MAX_FILE_SIZE, PolicyPlan, Requirement, TargetKernel};

/// Longest name: that of a DNS subdomain, as Kubernetes and Tetragon ask for.
const MAX_NAME: usize = 253;

/// A policy, read and lowered. It remembers where its parts stand in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    plan: PolicyPlan,
    pub(crate) source: Arc<Source>,
    name: Span,
    pub(crate) hooks: Vec<HookPlaces>,
    /// Where documents of its file begin that are left out; all of them are with the file's first policy.
    others: Vec<Span>,
    /// What was guessed about a kernel while the policy was read.
    pub(crate) untold: Vec<Diagnostic>,
    /// Where the calls of enforcers stand.
    pub(crate) enforced: Vec<Span>,
}

impl Policy {
    /// Reads the policies of a file for the running kernel: see [`Policy::parse_for`].
    ///
    /// # Errors
    /// As [`Policy::parse_for`].
    pub fn parse(text: &str, file: &Path) -> Result<Vec<Policy>, Errors> {
        Self::parse_for(text, file, TargetKernel::Running)
    }

    /// Reads the policies of a file: one in each YAML document. Objects of Kubernetes' own are left out, such as a pod that
    /// a policy is about: see [`Policy::left_out`].
    ///
    /// `file` is named in errors; it is not opened. `kernel` tells what policies leave to it, such as the types of fields.
    ///
    /// # Errors
    /// Everything that is wrong in the file, or that it has no policy.
    pub fn parse_for(text: &str, file: &Path, kernel: TargetKernel<'_>) -> Result<Vec<Policy>, Errors> {
        if text.len() > MAX_FILE_SIZE {
            return Err(Error::TooLarge { path: file.into() }.into());
        }
        let source = Arc::new(Source::new(file, text));
        let mut report = Report::new(&source, kernel);
        let documents = tree::documents(&source, &mut report);
        let (others, documents): (Vec<_>, Vec<_>) = documents.into_iter().partition(is_of_kubernetes);
        let mut policies: Vec<_> =
            documents.iter().filter_map(|document| read(document, &source, &mut report)).collect();
        report.finish()?;
        let Some(first) = policies.first_mut() else {
            let start = Span { line: 1, column: 1, length: 1 };
            let help =
                "a policy starts with `apiVersion: cilium.io/v1alpha1` and `kind: TracingPolicy`".to_owned();
            let message = "there is no policy in this file".to_owned();
            return Err(Error::from(Diagnostic::new(&source, start, message, Some(help))).into());
        };
        first.others = others.iter().filter_map(|other| Some(other.field("kind")?.span)).collect();
        Ok(policies)
    }

    /// What to load.
    #[must_use]
    pub fn plan(&self) -> &PolicyPlan {
        &self.plan
    }

    /// An error of one hook that shows the hook's `call`, for what is found out when the policy is loaded.
    ///
    /// `hook` is the position in [`PolicyPlan::hooks`]; one that is not there gives an error about the whole policy.
    #[must_use]
    pub fn hook_error(&self, hook: usize, message: String, help: Option<String>) -> Diagnostic {
        let span = self.hooks.get(hook).map_or(self.name, |places| places.call);
        Diagnostic::new(&self.source, span, message, help)
    }

    /// Notes on documents of its file that are no policies, and left out. The file's first policy has them all.
    #[must_use]
    pub fn left_out(&self) -> Vec<Diagnostic> {
        let note = |span: &Span| {
            Diagnostic::new(&self.source, *span, "left out: this document is no policy".into(), None)
        };
        self.others.iter().map(note).collect()
    }

    /// The error that this policy has the name of an earlier one.
    pub(crate) fn duplicate_of(&self, first: &Policy) -> Diagnostic {
        let (name, path, line) = (&self.plan.name, first.source.path().display(), first.name.line);
        let message = format!("there is already a policy `{name}`, at {path}:{line}");
        Diagnostic::new(&self.source, self.name, message, Some("give each policy its own name".into()))
    }
}

fn read(document: &Node, source: &Arc<Source>, report: &mut Report<'_>) -> Option<Policy> {
    let namespaced = kind(document, report)?;
    let fields = Fields::read(document, &POLICY, report)?;
    fields.require("apiVersion", report);
    fields.require("kind", report);
    let metadata = fields.require("metadata", report);
    let metadata = metadata.and_then(|metadata| Fields::read(metadata.node, &METADATA, report));
    let name = metadata.as_ref().and_then(|metadata| read_name(metadata, report));
    let namespace =
        metadata.as_ref().map_or(Some(None), |metadata| read_namespace(metadata, namespaced, report));
    let spec = fields.require("spec", report);
    let spec = spec.and_then(|spec| read_spec(spec, namespace.flatten(), report));
    let ((name, span), _, (options, nodes, hooks, enforced)) = (name?, namespace?, spec?);
    let (hooks, places) = hooks.into_iter().unzip();
    let (enforced, enforced_places) = enforced.into_iter().unzip();
    let plan = PolicyPlan {
        name: name.into(),
        monitor: options.monitor,
        one_by_one: options.one_by_one,
        nodes,
        hooks,
        enforced,
    };
    let (source, others) = (source.clone(), Vec::new());
    let untold = report.take_untold();
    Some(Policy { plan, source, name: span, hooks: places, untold, enforced: enforced_places, others })
}

/// Whether a document is an object of an API of Kubernetes' own, <https://kubernetes.io/docs/reference/using-api/#api-groups>,
/// and so can't be a policy that somebody has misspelt.
fn is_of_kubernetes(document: &Node) -> bool {
    let version = document.field("apiVersion");
    let own = ["v1", "apps/v1", "batch/v1", "policy/v1"];
    let is_own = version.is_some_and(|version| own.iter().any(|own| version.is_text(own)));
    let is_policy = |kind: &Node| KINDS.supported.iter().any(|(policy, _)| kind.is_text(policy));
    is_own && document.field("kind").is_some_and(|kind| !is_policy(kind))
}

/// Whether a document is a policy that can be about a namespace; `None` if it says that it is something else than a
/// policy: the rest of it is not looked at then.
fn kind(document: &Node, report: &mut Report<'_>) -> Option<bool> {
    fn word<T: Copy>(
        document: &Node,
        name: &'static str,
        words: &Vocabulary<T>,
        report: &mut Report<'_>,
    ) -> Option<Option<T>> {
        let Some(node) = document.field(name) else { return Some(None) };
        Field { path: POLICY.path, name, in_list: false, node }.word(words, report).map(Some)
    }
    // Both are looked at, so that both are told.
    let version = word(document, "apiVersion", &API_VERSIONS, report);
    let kind = word(document, "kind", &KINDS, report);
    version.and(kind).map(|kind| kind.unwrap_or(false))
}

/// `metadata.namespace`; `Some(None)` if there is none.
fn read_namespace<'n>(
    metadata: &Fields<'n>,
    namespaced: bool,
    report: &mut Report<'_>,
) -> Option<Option<&'n str>> {
    let Some(field) = metadata.get("namespace").filter(|field| !is_default(field.node)) else {
        return Some(None);
    };
    let namespace = field.string(report)?;
    if !namespaced {
        let help = "leave `namespace` out, or write `kind: TracingPolicyNamespaced`";
        report.error_with_help(field.span(), "a `TracingPolicy` is about all namespaces", help);
        return None;
    }
    Some(Some(namespace))
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(allowed) && !label.starts_with('-') && !label.ends_with('-')
}

fn read_name<'n>(metadata: &Fields<'n>, report: &mut Report<'_>) -> Option<(&'n str, Span)> {
    let field = metadata.require("name", report)?;
    let name = field.string(report)?;
    if name.len() > MAX_NAME || !name.split('.').all(is_label) {
        let message = format!("{} cannot be a policy's name", quote(name));
        let help =
            format!("use lower-case letters, digits, `-` and `.`, at most {MAX_NAME}, such as `my-policy`");
        report.error_with_help(field.span(), message, help);
        return None;
    }
    Some((name, field.span()))
}

type Hooks = Vec<(crate::HookPlan, HookPlaces)>;
type Enforced = Vec<(EnforcedCall, Span)>;

fn read_spec(
    spec: Field<'_>,
    namespace: Option<&str>,
    report: &mut Report<'_>,
) -> Option<(Options, Vec<Requirement>, Hooks, Enforced)> {
    let (spec, complete) = macros::expand(spec.node, report);
    let fields = Fields::read(&spec, &SPEC, report)?;
    let options = fields.get("options").filter(|options| !is_default(options.node));
    let options = options.map_or(Some(Options::default()), |options| options::read(options, report));
    let scope = scope::read(&fields, namespace, report);
    let nodes = scope::read_nodes(&fields, report);
    let hooks = read_hooks(&fields, report);
    let loader = loader::read(&fields, namespace.is_some(), report);
    let (options, scope, nodes, (mut hooks, enforced)) = (options?, scope?, nodes?, hooks?);
    for selector in hooks.iter_mut().flat_map(|(hook, _)| &mut hook.selectors) {
        selector.scopes.extend(scope.clone());
    }
    hooks.extend(loader?);
    complete.then_some((options, nodes, hooks, enforced))
}

fn read_hooks(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<(Hooks, Enforced)> {
    let sections: Vec<_> =
        SECTIONS.iter().filter_map(|section| Some((section, fields.get(section.name)?))).collect();
    let lists = fields.get("lists").map_or(Some(Lists::new()), |lists| lists::read_all(lists, report));
    // A policy whose other sections were refused has been told enough.
    if sections.is_empty() && !fields.refused() && !loader::is_asked_for(fields) {
        let help =
            "add `kprobes`, `fentries`, `tracepoints`, `lsmhooks`, `uprobes`, `usdts` or `loader: true`";
        report.error_with_help(fields.span(), "`spec` has no hooks", help);
    }
    let hooks: Vec<Option<Vec<_>>> = sections
        .into_iter()
        .map(|(section, list)| {
            report.enter(section.name);
            selector::read_each(list, report, |item, report| {
                hook::read(item, section, lists.as_ref(), report)
            })
        })
        .collect();
    let enforcers = fields.get("enforcers").filter(|enforcers| !is_default(enforcers.node));
    let enforced =
        enforcers.map_or(Some(vec![]), |enforcers| enforcer::read_all(enforcers, lists.as_ref(), report));
    let hooks = hooks.into_iter().collect::<Option<Vec<_>>>()?;
    let hooks: Hooks = hooks.into_iter().flatten().flatten().collect();
    if enforcers.is_none() {
        enforcer::check_there(&hooks, report)?;
    }
    Some((hooks, enforced?))
}
