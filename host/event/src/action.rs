//! Actions that reach out of the host: asked for by policies and plugins, carried out by the canary engine.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

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
    /// Look a name up.
    Dns {
        /// Fully qualified name, with or without the final dot.
        name: String,
        /// The record that is asked for; without it, A for a policy, and for a plugin what is configured.
        record: Option<RecordType>,
    },
}

/// The records a canary may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Text.
    Txt,
}

impl RecordType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::A, Self::Aaaa, Self::Txt];

    /// Its name in a zone file.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
        }
    }
}

/// A text that is the name of no [`RecordType`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no record that canaries ask for: write `A`, `AAAA` or `TXT`")]
pub struct UnknownRecordType(String);

impl FromStr for RecordType {
    type Err = UnknownRecordType;

    fn from_str(text: &str) -> Result<Self, UnknownRecordType> {
        let known = Self::ALL.into_iter().find(|record| record.name() == text);
        known.ok_or_else(|| UnknownRecordType(text.to_owned()))
    }
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
    /// What the DNS answers say; empty for NXDOMAIN or no data (the canary has fired all the same).
    Resolved(Vec<Answer>),
    /// Held back by the rate limit or as a duplicate.
    Suppressed(&'static str),
    /// Could not be done; the reason.
    Failed(String),
}

/// A record of a DNS answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Of an A or AAAA record.
    Address(IpAddr),
    /// Of a TXT record.
    Text(String),
}

/// A text stands in double quotes, as in a zone file: whoever answers must not pass it off as an address.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Text(text) => write!(f, "\"{text}\""),
        }
    }
}

/// A text that is neither an address nor in double quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address nor a text in double quotes")]
pub struct UnknownAnswer(String);

impl FromStr for Answer {
    type Err = UnknownAnswer;

    fn from_str(text: &str) -> Result<Self, UnknownAnswer> {
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let quoted = quoted.map(|text| Self::Text(text.to_owned()));
        let answer = quoted.or_else(|| text.parse().ok().map(Self::Address));
        answer.ok_or_else(|| UnknownAnswer(text.to_owned()))
    }
}
