//! What selectors do.

use crate::RateScope;
use crate::fields::{Shape, Vocabulary};

pub(crate) const MATCH_ACTIONS: Shape = Shape {
    path: "spec.kprobes.selectors.matchActions",
    in_list: true,
    supported: &[
        "action",
        "argError",
        "argIndex",
        "argValue",
        "argFd",
        "argFqdn",
        "argName",
        "argNewAddr",
        "argNewOffset",
        "argNewSymbol",
        "argRegs",
        "argSig",
        "argSock",
        "argUrl",
        "imaHash",
        "kernelStackTrace",
        "rateLimit",
        "rateLimitScope",
        "userStackTrace",
    ],
    later: &[],
};

/// What is done once a call has returned.
pub(crate) const MATCH_RETURN_ACTIONS: Shape = Shape {
    path: "spec.kprobes.selectors.matchReturnActions",
    in_list: true,
    supported: &["action", "argFqdn", "argSig", "argUrl"],
    later: &[],
};

pub(crate) const RATE_SCOPES: Vocabulary<RateScope> = Vocabulary {
    what: "a scope of rateLimit",
    supported: &[
        ("thread", RateScope::Thread),
        ("process", RateScope::Process),
        ("global", RateScope::Global),
    ],
    later: &[],
};

/// What a selector can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActionName {
    Post,
    NoPost,
    Sigkill,
    Signal,
    Override,
    DnsLookup,
    GetUrl,
    FollowFD,
    UnfollowFD,
    CopyFD,
    TrackSock,
    UntrackSock,
    NotifyEnforcer,
    CleanupEnforcerNotification,
    Set,
}

pub(crate) const ACTIONS: Vocabulary<ActionName> = Vocabulary {
    what: "an action",
    supported: &[
        ("Post", ActionName::Post),
        ("NoPost", ActionName::NoPost),
        ("Sigkill", ActionName::Sigkill),
        ("Signal", ActionName::Signal),
        ("Override", ActionName::Override),
        ("DnsLookup", ActionName::DnsLookup),
        ("GetUrl", ActionName::GetUrl),
        ("FollowFD", ActionName::FollowFD),
        ("UnfollowFD", ActionName::UnfollowFD),
        ("CopyFD", ActionName::CopyFD),
        ("TrackSock", ActionName::TrackSock),
        ("UntrackSock", ActionName::UntrackSock),
        ("NotifyEnforcer", ActionName::NotifyEnforcer),
        ("CleanupEnforcerNotification", ActionName::CleanupEnforcerNotification),
        ("Set", ActionName::Set),
    ],
    later: &[],
};
