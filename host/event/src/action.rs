//! Actions that reach out of the host: asked for by policies and plugins, carried out by the canary engine.

/// A request to fire a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    /// Who asks.
    pub source: Source,
    /// What to do.
    pub action: Action,
    /// `exec_id` of the process that caused it; empty if none.
    pub exec_id: String,
}

/// Who asks for an action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A policy's GetUrl or DnsLookup, by the policy's name.
    Policy(String),
    /// A plugin, by its name in the pipeline.
    Plugin(String),
}

/// What the canary engine can do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Request a URL; the answer's body is discarded.
    Http {
        /// `GET` or `POST`.
        method: Method,
        /// Absolute http or https URL.
        url: String,
        /// Names, in lower case, and values.
        headers: Vec<(String, String)>,
        /// Body; empty for GET.
        body: Vec<u8>,
    },
    /// Look up the A record of a name.
    Dns {
        /// Fully qualified name, with or without the final dot.
        name: String,
    },
}

/// HTTP methods a canary may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET, without a body.
    Get,
    /// POST.
    Post,
}

/// What became of an [`ActionRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionResult {
    /// The request.
    pub request: ActionRequest,
    /// How it ended.
    pub outcome: Outcome,
    /// Nanoseconds from hand-over to the end.
    pub duration: u64,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// HTTP status code of the answer.
    HttpStatus(u16),
    /// Addresses in the DNS answer; empty for NXDOMAIN or no data (the canary has fired all the same).
    Resolved(Vec<std::net::IpAddr>),
    /// Held back by the rate limit or as a duplicate.
    Suppressed(&'static str),
    /// Could not be done; the reason.
    Failed(String),
}
