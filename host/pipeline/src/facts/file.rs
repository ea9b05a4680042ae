//! The file with the facts of one plugin.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize, Serializer};

use crate::kv::Fact;
use crate::state;

const VERSION: u32 = 1;
/// Bytes of a file: those of the largest grant, with each byte of each key escaped.
const MAX_FILE: u64 = 512 << 20;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    facts: BTreeMap<&'a str, WrittenFact<'a>>,
}

#[derive(Serialize)]
struct WrittenFact<'a> {
    #[serde(serialize_with = "base64")]
    value: &'a [u8],
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    version: u32,
    facts: BTreeMap<String, FoundFact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FoundFact {
    value: String,
    until: Option<u64>,
}

/// Why a file tells nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it has more than the {MAX_FILE} bytes that the agent writes at most")]
    Size,
    #[error("it is not what the agent writes: {0}")]
    Content(#[from] serde_json::Error),
    #[error("the value of `{key}` is not base64")]
    Value { key: String },
    #[error("it is of version {0}, and this agent knows {VERSION}")]
    Version(u32),
}

fn base64<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}

/// Writes a file in place of the one before. Times are written by the wall clock: no other goes on while the host is down.
pub(super) fn write(path: &Path, facts: &[Fact], now: SystemTime) -> std::io::Result<()> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = |left: Duration| u64::try_from((now + left).as_millis()).ok();
    let facts = facts.iter().map(|fact| {
        let until = fact.left.and_then(until);
        (&*fact.key, WrittenFact { value: &fact.value, until })
    });
    let written = Written { version: VERSION, facts: facts.collect() };
    state::write(path, |file| serde_json::to_writer(file, &written))
}

/// Reads a file; one that is not there has no facts, and those whose time is over are left out.
pub(super) fn read(path: &Path, now: SystemTime) -> Result<Vec<Fact>, Broken> {
    let mut content = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(MAX_FILE + 1).read_to_end(&mut content)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if content.len() as u64 > MAX_FILE {
        return Err(Broken::Size);
    }
    let found: Found = serde_json::from_slice(&content)?;
    if found.version != VERSION {
        return Err(Broken::Version(found.version));
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut facts = Vec::new();
    for (key, FoundFact { value, until }) in found.facts {
        let left = until.map(|until| Duration::from_millis(until).saturating_sub(now));
        let value = STANDARD.decode(value).map_err(|_| Broken::Value { key: key.clone() })?;
        if left != Some(Duration::ZERO) {
            facts.push(Fact { key: key.into(), value: value.into(), left });
        }
    }
    Ok(facts)
}
