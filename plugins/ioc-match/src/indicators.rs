//! The lists, and looking something up in them.

use std::collections::HashSet;

use crate::Config;
use crate::address::Networks;
use crate::host;

/// Everything that is looked for.
#[derive(Debug, Default)]
pub(crate) struct Indicators {
    networks: Networks,
    /// In lower case, without a final dot.
    domains: HashSet<Box<str>>,
    paths: HashSet<Box<str>>,
    /// In lower case.
    hashes: HashSet<Box<str>>,
}

/// Called with the kind of indicator, the indicator, and the text that it was found in.
pub(crate) type Report<'a> = dyn FnMut(&str, &str, &str) + 'a;

impl Indicators {
    pub(crate) fn new(config: Config) -> Result<Self, String> {
        let Config { ips, domains, paths, hashes, .. } = config;
        if [&ips, &domains, &paths, &hashes].iter().all(|list| list.is_empty()) {
            return Err("nothing to look for: write `ips`, `domains`, `paths` or `hashes`".to_owned());
        }
        Ok(Self {
            networks: Networks::new(&ips)?,
            domains: checked("domains", domains, domain)?,
            paths: checked("paths", paths, path)?,
            hashes: checked("hashes", hashes, hash)?,
        })
    }

    /// Reports what of a text is on a list: all of it as a path, and the host that it names.
    pub(crate) fn find(&self, text: &str, report: &mut Report<'_>) {
        if self.paths.contains(text) {
            report("path", text, text);
        }
        if self.domains.is_empty() && self.networks.is_empty() {
            return;
        }
        let Some(host) = host::of(text) else { return };
        if let Ok(address) = host.parse() {
            if self.networks.contains(address) {
                report("ip", host, text);
            }
        } else if let Some(domain) = self.listed_domain(&host.to_ascii_lowercase()) {
            report("domain", domain, text);
        }
    }

    /// The name itself or the nearest one above it that is on the list.
    fn listed_domain(&self, host: &str) -> Option<&str> {
        let mut name = host.strip_suffix('.').unwrap_or(host);
        loop {
            if let Some(listed) = self.domains.get(name) {
                return Some(listed);
            }
            name = name.split_once('.')?.1;
        }
    }

    pub(crate) fn find_hash(&self, text: &str, report: &mut Report<'_>) {
        if self.hashes.is_empty() || !matches!(text.len(), 32 | 40 | 64) {
            return;
        }
        if let Some(listed) = self.hashes.get(text.to_ascii_lowercase().as_str()) {
            report("hash", listed, text);
        }
    }
}

fn checked(
    name: &str,
    list: Vec<String>,
    normal: fn(&str) -> Result<String, &'static str>,
) -> Result<HashSet<Box<str>>, String> {
    let item = |(index, text): (usize, String)| match normal(&text) {
        Ok(text) => Ok(text.into_boxed_str()),
        Err(expected) => Err(format!("{name}[{index}]: `{text}` is not {expected}")),
    };
    list.into_iter().enumerate().map(item).collect()
}

fn domain(text: &str) -> Result<String, &'static str> {
    let plain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if host::is_domain(&plain) { Ok(plain) } else { Err("a domain name like `evil.example`") }
}

fn path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("an absolute path") }
}

fn hash(text: &str) -> Result<String, &'static str> {
    let hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && matches!(text.len(), 32 | 40 | 64) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an MD5, SHA-1 or SHA-256 in hexadecimal")
    }
}
