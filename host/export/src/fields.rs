//! Which fields of an event a sink gets.
//!
//! Works on the JSON text: values that stay are copied as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serin_config::scalar;
use serin_event::EventKind;

/// Keys beside the event that `include` keeps without being asked.
const ALWAYS: [&str; 2] = ["node_name", "time"];

/// `fields` of a sink: the fields to keep, or those to leave out.
///
/// A path names keys from the event down, as in the JSON but without the event's own name: `process.binary`. It
/// goes through lists: `args.string_arg`. What stands beside the event is named from the top: `serin.alerts`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Lists")]
pub struct FieldFilter {
    include: bool,
    paths: Node,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Lists {
    include: Vec<Path>,
    exclude: Vec<Path>,
}

#[derive(Debug)]
struct Path(Vec<String>);

/// The paths by their first key; one without further keys is named as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Node(BTreeMap<String, Node>);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar(deserializer, |text| {
            let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
            let plain = |key: &String| {
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            if !keys.iter().all(plain) {
                return Err(format!("`{text}` is not a path of keys: write one like `process.binary`"));
            }
            if let Some(kind) = EventKind::NAMES.iter().find(|kind| **kind == keys[0]) {
                return Err(format!("paths start below the event's name: leave out `{kind}.`"));
            }
            Ok(Self(keys))
        })
    }
}

impl TryFrom<Lists> for FieldFilter {
    type Error = &'static str;

    fn try_from(lists: Lists) -> Result<Self, Self::Error> {
        let (include, paths) = match (lists.include.as_slice(), lists.exclude.as_slice()) {
            ([], []) => return Err("name fields to `include` or to `exclude`"),
            (paths, []) => (true, paths),
            ([], paths) => (false, paths),
            _ => return Err("`include` and `exclude` together: what is not included is left out anyway"),
        };
        let mut root = Node::default();
        paths.iter().for_each(|Path(keys)| root.add(keys));
        Ok(Self { include, paths: root })
    }
}

impl Node {
    /// A path and the beginning of another: as much as either names, which is the shorter.
    fn add(&mut self, keys: &[String]) {
        let Some((first, rest)) = keys.split_first() else { return self.0.clear() };
        match self.0.get_mut(first) {
            Some(node) if node.0.is_empty() => {}
            Some(node) => node.add(rest),
            None => {
                let mut node = Self::default();
                node.add(rest);
                self.0.insert(first.clone(), node);
            }
        }
    }
}

impl FieldFilter {
    /// Appends what is left of an event, given and written as a JSON object.
    pub(crate) fn apply(&self, json: &[u8], out: &mut Vec<u8>) {
        self.object(json, out, |key| {
            if EventKind::NAMES.iter().any(|name| name.as_bytes() == key) {
                return Verdict::Within(&self.paths);
            }
            if self.include && ALWAYS.iter().any(|name| name.as_bytes() == key) {
                return Verdict::Keep;
            }
            self.verdict(&self.paths, key)
        });
    }

    fn verdict<'a>(&self, node: &'a Node, key: &[u8]) -> Verdict<'a> {
        let found = std::str::from_utf8(key).ok().and_then(|key| node.0.get(key));
        match found {
            Some(node) if !node.0.is_empty() => Verdict::Within(node),
            found if found.is_some() == self.include => Verdict::Keep,
            _ => Verdict::Leave,
        }
    }

    /// Filters the members of an object by what `judge` says of their keys.
    fn object<'a>(&self, json: &[u8], out: &mut Vec<u8>, judge: impl Fn(&[u8]) -> Verdict<'a>) {
        out.push(b'{');
        let start = out.len();
        for (key, value) in Members::of(json) {
            let verdict = judge(&key[1..key.len() - 1]);
            if matches!(verdict, Verdict::Leave) {
                continue;
            }
            let before = out.len();
            if before != start {
                out.push(b',');
            }
            out.extend_from_slice(key);
            out.push(b':');
            match verdict {
                Verdict::Within(node) if !self.value(node, value, out) => out.truncate(before),
                Verdict::Within(_) => {}
                _ => out.extend_from_slice(value),
            }
        }
        out.push(b'}');
    }

    /// Filters an object, or each element of a list; false if it is neither, and `include` asks for something in it.
    fn value(&self, node: &Node, json: &[u8], out: &mut Vec<u8>) -> bool {
        match json.first() {
            Some(b'{') => self.object(json, out, |key| self.verdict(node, key)),
            Some(b'[') => {
                out.push(b'[');
                for (index, element) in Elements::of(json).enumerate() {
                    if index != 0 {
                        out.push(b',');
                    }
                    if !self.value(node, element, out) {
                        out.extend_from_slice(b"null");
                    }
                }
                out.push(b']');
            }
            _ if self.include => return false,
            _ => out.extend_from_slice(json),
        }
        true
    }
}

enum Verdict<'a> {
    Keep,
    Leave,
    Within(&'a Node),
}

/// The members of an object, key with its quotes and value, of JSON without white space.
struct Members<'a>(Elements<'a>);

impl<'a> Members<'a> {
    fn of(json: &'a [u8]) -> Self {
        Self(Elements::of(json))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?;
        let (key, value) = member.split_at_checked(string_end(member))?;
        // A key has at least its quotes; no JSON of ours lacks the colon.
        (key.len() >= 2).then_some((key, value.get(1..)?))
    }
}

/// What stands between the brackets and commas of an object or a list.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn of(json: &'a [u8]) -> Self {
        Self(json.get(1..json.len().saturating_sub(1)).unwrap_or_default())
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (mut at, mut depth) = (0, 0_u32);
        while let Some(byte) = self.0.get(at) {
            match byte {
                b'"' => at += string_end(&self.0[at..]) - 1,
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        let at = at.min(self.0.len());
        let (element, rest) = self.0.split_at(at);
        self.0 = rest.get(1..).unwrap_or_default();
        Some(element)
    }
}

/// Where a string that begins here ends, its quote included; at least 1.
fn string_end(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len().max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const EVENT: &str = concat!(
        r#"{"process_kprobe":{"process":{"pid":7,"binary":"/b\\","arguments":"a,\"}"},"parent":{"pid":1},"#,
        r#""args":[{"int_arg":1},{"string_arg":"{[","label":"l"}],"action":"X"},"#,
        r#""node_name":"gull","time":"T","serin":{"alerts":[{"title":"t"}],"selector":1}}"#,
    );

    fn fields(yaml: &str) -> Result<FieldFilter, String> {
        serde_yaml::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn keeps_or_leaves_out() {
        let beside = r#""node_name":"gull","time":"T""#;
        for (yaml, expected) in [
            ("include: [process.pid]", format!(r#"{{"process_kprobe":{{"process":{{"pid":7}}}},{beside}}}"#)),
            ("include: [parent, parent.pid]", format!(r#"{{"process_kprobe":{{"parent":{{"pid":1}}}},{beside}}}"#)),
            ("include: [parent.pid, parent]", format!(r#"{{"process_kprobe":{{"parent":{{"pid":1}}}},{beside}}}"#)),
            (
                "include: [args.label, serin.alerts]",
                format!(
                    r#"{{"process_kprobe":{{"args":[{{}},{{"label":"l"}}]}},{beside},"serin":{{"alerts":[{{"title":"t"}}]}}}}"#
                ),
            ),
            ("include: [action.deeper]", format!(r#"{{"process_kprobe":{{}},{beside}}}"#)),
            (
                "exclude: [process.arguments, args, serin, time]",
                r#"{"process_kprobe":{"process":{"pid":7,"binary":"/b\\"},"parent":{"pid":1},"action":"X"},"node_name":"gull"}"#
                    .to_owned(),
            ),
            ("exclude: [action.deeper]", EVENT.to_owned()),
        ] {
            let mut out = Vec::new();
            fields(yaml).unwrap().apply(EVENT.as_bytes(), &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, expected, "{yaml}");
            serde_json::from_str::<serde_json::Value>(&out).unwrap();
        }
    }

    #[test]
    fn refuses_what_is_no_path() {
        for (yaml, message) in [
            ("{}", "name fields to `include` or to `exclude`"),
            ("{ include: [a], exclude: [b] }", "`include` and `exclude` together"),
            ("include: [process..pid]", "`process..pid` is not a path of keys"),
            ("include: ['args[0]']", "`args[0]` is not a path of keys"),
            ("include: [process_exec.process]", "leave out `process_exec.`"),
            ("only: [a]", "unknown field `only`, expected `include` or `exclude`"),
        ] {
            let error = fields(yaml).unwrap_err();
            assert!(error.contains(message), "{yaml}: {error}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let filter = fields("exclude: [process.pid, a.b]").unwrap();
        for end in 0..EVENT.len() {
            filter.apply(&EVENT.as_bytes()[..end], &mut Vec::new());
        }
    }
}
