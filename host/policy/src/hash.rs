//! Reads `imaHash`.

use crate::fields::{Fields, is_default};
use crate::hook::Context;
use crate::report::Report;
use crate::{HashedFile, Target};

/// The LSM hooks that are about a file and let programs sleep, as reading it takes.
///
/// <https://github.com/cilium/tetragon/blob/main/pkg/sensors/tracing/genericlsm.go> (`imaProgName`)
const HOOKS: [(&str, HashedFile); 11] = [
    ("bprm_check_security", HashedFile::OfProgram),
    ("bprm_committed_creds", HashedFile::OfProgram),
    ("bprm_committing_creds", HashedFile::OfProgram),
    ("bprm_creds_for_exec", HashedFile::OfProgram),
    ("bprm_creds_from_file", HashedFile::OfProgram),
    ("file_ioctl", HashedFile::Itself),
    ("file_lock", HashedFile::Itself),
    ("file_open", HashedFile::Itself),
    ("file_post_open", HashedFile::Itself),
    ("file_receive", HashedFile::Itself),
    ("mmap_file", HashedFile::Itself),
];

/// Reads whether an action `Post` reports the hash of the file; `None` if something was refused.
pub(crate) fn read(
    post: &Fields<'_>,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Option<HashedFile>> {
    let Some(field) = post.get("imaHash").filter(|field| !is_default(field.node)) else { return Some(None) };
    if !field.boolean(report)? {
        return Some(None);
    }
    let hook = match context.targets.first() {
        Some(Target::Lsm(hook)) => hook.as_str(),
        Some(_) => "",
        // What is wrong with it has been told.
        None => return None,
    };
    let file = HOOKS.iter().find(|(name, _)| *name == hook).map(|(_, file)| *file);
    if file.is_none() {
        let names: Vec<_> = HOOKS.iter().map(|(name, _)| format!("`{name}`")).collect();
        let help = format!("it works in `lsmhooks` on {}", names.join(", "));
        report.error_with_help(
            field.span(),
            "`imaHash` is the hash of a file, which this hook is not about",
            help,
        );
        return None;
    }
    Some(file)
}
