//! Arguments of hooks: Tetragon's `KprobeArgument`.

use serin_event::argument::{Argument, File, FileRole};
use serin_event::field::Value;

use super::structure;
use crate::proto::kprobe_argument::Arg;
use crate::proto::{
    KprobeArgument, KprobeError, KprobeFile, KprobeLinuxBinprm, KprobePath, KprobeTruncatedBytes,
};

pub(super) fn argument(value: &Argument, label: &str) -> KprobeArgument {
    KprobeArgument { arg: arg(value), label: label.into() }
}

/// `None` for what Tetragon's API has no field for.
fn arg(value: &Argument) -> Option<Arg> {
    Some(match value {
        Argument::Int(value) => Arg::IntArg(*value),
        Argument::Uint(value) => Arg::UintArg(*value),
        Argument::Long(value) => Arg::LongArg(*value),
        Argument::Size(value) => Arg::SizeArg(*value),
        Argument::String(value) => Arg::StringArg(value.clone()),
        Argument::File(value) => file(value),
        Argument::Bytes { bytes, original } if *original > bytes.len() as u64 => {
            Arg::TruncatedBytesArg(KprobeTruncatedBytes { bytes_arg: bytes.clone(), orig_size: *original })
        }
        Argument::Bytes { bytes, .. } => Arg::BytesArg(bytes.clone()),
        Argument::Word(name, word) => return structure::arg(name, Value::Text(word.as_ref().into())),
        Argument::Structure(value) => return structure::arg(value.name(), Value::Fields(value.fields())),
        Argument::Unreadable(reason) => Arg::ErrorArg(KprobeError { message: (*reason).into() }),
    })
}

fn file(file: &File) -> Arg {
    let path = file.path.clone();
    let flags = if file.incomplete { "unresolvedPathComponents".into() } else { String::new() };
    let permission = file.permission();
    match file.role {
        FileRole::Open => Arg::FileArg(KprobeFile { path, flags, permission }),
        FileRole::Path => Arg::PathArg(KprobePath { path, flags, permission }),
        FileRole::Program => Arg::LinuxBinprmArg(KprobeLinuxBinprm { path, flags, permission }),
    }
}
