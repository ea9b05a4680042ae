//! Arguments of hooks.

use std::sync::Arc;

use serde_json::Value;

use super::fields::{Fields, ReadError};
use super::structure;
use crate::argument::{Argument, File, FileRole};

/// The keys of numbers that are told in words.
const WORDS: [&str; 5] =
    ["bpf_cmd_arg", "kernel_cap_t_arg", "cap_inheritable_arg", "cap_permitted_arg", "cap_effective_arg"];

pub(super) fn argument(mut fields: Fields) -> Result<(Argument, Arc<str>), ReadError> {
    let label = fields.text("label")?.into();
    let (name, value) = fields.only_value("an argument, like `string_arg`")?;
    let argument = match name.as_str() {
        "int_arg" => Argument::Int(fields.as_integer(&name, value)?),
        "uint_arg" => Argument::Uint(fields.as_integer(&name, value)?),
        "long_arg" => Argument::Long(fields.as_integer(&name, value)?),
        "size_arg" => Argument::Size(fields.as_integer(&name, value)?),
        "string_arg" => Argument::String(fields.as_text(&name, value)?),
        "file_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Open)?),
        "path_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Path)?),
        "linux_binprm_arg" => Argument::File(file(fields.as_object(&name, value)?, FileRole::Program)?),
        "error_arg" => {
            let mut error = fields.as_object(&name, value)?;
            error.text("Message")?;
            error.finish()?;
            Argument::Unreadable("unreadable when this was recorded")
        }
        "bytes_arg" => {
            let bytes = fields.as_bytes(&name, value)?;
            let original = bytes.len() as u64;
            Argument::Bytes { bytes, original }
        }
        "truncated_bytes_arg" => truncated(fields.as_object(&name, value)?)?,
        _ => in_words_or_fields(&fields, &name, value)?,
    };
    Ok((argument, label))
}

fn in_words_or_fields(fields: &Fields, name: &str, value: Value) -> Result<Argument, ReadError> {
    if let Some(word) = WORDS.into_iter().find(|word| *word == name) {
        return Ok(Argument::Word(word, fields.as_text(word, value)?.into()));
    }
    let read = structure::reader(name).ok_or_else(|| fields.unknown(name))?;
    let mut inner = fields.as_object(name, value)?;
    let structure = read(&mut inner)?;
    inner.finish()?;
    Ok(Argument::Structure(Box::new(structure)))
}

/// Bytes of which there were more.
fn truncated(mut fields: Fields) -> Result<Argument, ReadError> {
    let bytes = fields.take("bytes_arg").map(|value| fields.as_bytes("bytes_arg", value)).transpose()?;
    let argument =
        Argument::Bytes { bytes: bytes.unwrap_or_default(), original: fields.integer("orig_size")? };
    fields.finish()?;
    Ok(argument)
}

fn file(mut fields: Fields, role: FileRole) -> Result<File, ReadError> {
    let permission = fields.text("permission")?;
    let mode = mode(&permission)
        .ok_or_else(|| fields.wrong("permission", &format!("`{permission}` is not like `-rw-r--r--`")))?;
    let file = File { role, path: fields.text("path")?, incomplete: !fields.text("flags")?.is_empty(), mode };
    fields.finish()?;
    Ok(file)
}

/// The inverse of [`File::permission`].
fn mode(permission: &str) -> Option<u16> {
    if permission.is_empty() {
        return Some(0);
    }
    let bytes: &[u8; 10] = permission.as_bytes().try_into().ok()?;
    let kind = match bytes[0] {
        b's' => 0o140_000,
        b'l' => 0o120_000,
        b'-' => 0o100_000,
        b'b' => 0o060_000,
        b'd' => 0o040_000,
        b'c' => 0o020_000,
        b'p' => 0o010_000,
        b'?' => 0,
        _ => return None,
    };
    let mut mode = kind;
    for (start, shift, special, letter) in [(1, 6, 0o4000, b's'), (4, 3, 0o2000, b's'), (7, 0, 0o1000, b't')]
    {
        let [read, write, execute] = [bytes[start], bytes[start + 1], bytes[start + 2]];
        let bit = |given: u8, set: u8| match given {
            _ if given == set => Some(1),
            b'-' => Some(0),
            _ => None,
        };
        let (x, set) = match execute {
            b'x' => (1, 0),
            b'-' => (0, 0),
            _ if execute == letter => (1, special),
            _ if execute == letter.to_ascii_uppercase() => (0, special),
            _ => return None,
        };
        mode |= (bit(read, b'r')? << 2 | bit(write, b'w')? << 1 | x) << shift | set;
    }
    Some(mode)
}
