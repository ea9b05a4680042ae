//! Whether the files of programs are those that a policy means (`binaryDigests`).

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use object::Object as _;
use serin_policy::{Digest, DigestAlgorithm, HookPlan, PlaceError, PolicyPlan, Target, Uprobe};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::executable::{self, ProgramFile};
use crate::uprobe::CodePlace;
use crate::{KernelError, target};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// Checks that the file of a uprobe has one of its digests, if it must have any.
///
/// # Errors
/// [`PlaceError::Digests`] if it has none of them, [`PlaceError::Program`] if it cannot be read.
pub fn verify_program(probe: &Uprobe) -> Result<(), PlaceError> {
    if probe.digests.is_empty() {
        return Ok(());
    }
    open(probe).map(drop)
}

/// The file of a uprobe, if it has one of its digests.
fn open(probe: &Uprobe) -> Result<ProgramFile, PlaceError> {
    let file = executable::open(Path::new(&probe.path))?;
    let mut all: Vec<Digest> = Vec::new();
    for digest in &*probe.digests {
        let algorithm = digest.algorithm;
        if all.iter().any(|known| known.algorithm == algorithm) {
            continue;
        }
        let Some(bytes) = digest_of(&file, algorithm)? else { continue };
        let own = Digest { algorithm, bytes };
        if probe.digests.contains(&own) {
            return Ok(file);
        }
        all.push(own);
    }
    let all: Vec<_> = all.iter().map(|own| format!("`{own}`")).collect();
    Err(PlaceError::Digests(if all.is_empty() { "no build ID".into() } else { all.join(", ") }))
}

/// `None` if a file has no build ID.
fn digest_of(file: &ProgramFile, algorithm: DigestAlgorithm) -> Result<Option<Vec<u8>>, PlaceError> {
    let digest = match algorithm {
        DigestAlgorithm::Sha1 => hash::<Sha1>(file.content()),
        DigestAlgorithm::Sha256 => hash::<Sha256>(file.content()),
        DigestAlgorithm::Sha384 => hash::<Sha384>(file.content()),
        DigestAlgorithm::Sha512 => hash::<Sha512>(file.content()),
        // What is no program has none.
        DigestAlgorithm::BuildId => {
            let object = file.parse().ok();
            return Ok(object.and_then(|object| object.build_id().ok().flatten().map(<[u8]>::to_vec)));
        }
    };
    digest.map(Some).map_err(|error| PlaceError::Program(error.to_string()))
}

fn hash<H: sha2::Digest>(file: &File) -> io::Result<Vec<u8>> {
    let (mut hash, mut chunk, mut read) = (H::new(), vec![0; CHUNK], 0);
    loop {
        match file.read_at(&mut chunk, read)? {
            0 => return Ok(hash.finalize().to_vec()),
            more => {
                hash.update(&chunk[..more]);
                read += more as u64;
            }
        }
    }
}

/// A file, and the digests that a policy wants it to have one of.
type Wanted<'p> = (&'p str, &'p [Digest]);

/// The files that policies want verified, each opened once: what was verified is what is hooked, whatever takes its place.
#[derive(Default)]
pub(crate) struct Programs<'p>(HashMap<Wanted<'p>, Result<Arc<ProgramFile>, PlaceError>>);

impl<'p> Programs<'p> {
    /// Opens and verifies them.
    pub(crate) fn open(policies: &'p [PolicyPlan]) -> Self {
        let mut programs = Self::default();
        for probe in policies.iter().flat_map(|policy| &policy.hooks).filter_map(verified) {
            programs.0.entry(wanted(probe)).or_insert_with(|| open(probe).map(Arc::new));
        }
        programs
    }

    /// Whether a hook is to be left out, as the file has none of its digests.
    pub(crate) fn leave_out(&self, hook: &'p HookPlan) -> bool {
        let found =
            verified(hook).filter(|probe| probe.ignore_digests).and_then(|probe| self.0.get(&wanted(probe)));
        matches!(found, Some(Err(PlaceError::Digests(_))))
    }

    /// The file of a hook, if it was to be verified.
    ///
    /// # Errors
    /// If it cannot be read, or has none of its digests.
    pub(crate) fn file(
        &self,
        policy: &str,
        hook: &'p HookPlan,
    ) -> Result<Option<Arc<ProgramFile>>, KernelError> {
        let Some(probe) = verified(hook) else { return Ok(None) };
        match self.0.get(&wanted(probe)) {
            None => Ok(None),
            Some(Ok(file)) => Ok(Some(Arc::clone(file))),
            Some(Err(PlaceError::Digests(has))) => Err(KernelError::Digests {
                policy: policy.into(),
                hook: target::function(&hook.target),
                line: hook.position.0,
                column: hook.position.1,
                has: has.clone(),
            }),
            Some(Err(PlaceError::Program(reason))) => {
                Err(KernelError::Executable(format!("`{}`: {reason}", probe.path)))
            }
            Some(Err(PlaceError::NotThere(_))) => Ok(None),
        }
    }
}

/// The uprobe of a hook whose file must have a digest.
fn verified(hook: &HookPlan) -> Option<&Uprobe> {
    match &hook.target {
        Target::Uprobe(probe) if !probe.digests.is_empty() => Some(probe),
        _ => None,
    }
}

fn wanted(probe: &Uprobe) -> Wanted<'_> {
    (&probe.path, &probe.digests)
}

/// Where in its file a uprobe is; the file may have been opened before. Policies that name what is not there are refused
/// when they are checked.
pub(crate) fn place_of(probe: &Uprobe, file: Option<&ProgramFile>) -> Result<CodePlace, KernelError> {
    let Uprobe { path, place, counter, .. } = probe;
    let found = match file {
        Some(file) => file.find(place),
        None => executable::find_place(Path::new(path), place),
    };
    match found {
        Ok(offset) => Ok(CodePlace { offset, counter: *counter }),
        Err(PlaceError::Program(reason) | PlaceError::Digests(reason)) => {
            Err(KernelError::Executable(reason))
        }
        Err(PlaceError::NotThere(_)) => Err(KernelError::Executable(format!("the file has no `{place}`"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serin_policy::ProgramPlace;

    use super::*;

    fn probe(path: &Path, digests: &[(DigestAlgorithm, &str)]) -> Uprobe {
        let byte = |at: usize, hex: &str| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|at| byte(at, hex)).collect();
        let digest = |&(algorithm, hex): &(DigestAlgorithm, &str)| Digest { algorithm, bytes: bytes(hex) };
        Uprobe {
            path: path.to_string_lossy().into_owned(),
            place: ProgramPlace::Offset(1),
            types: None,
            counter: 0,
            digests: digests.iter().map(digest).collect(),
            ignore_digests: false,
        }
    }

    /// Those of `abc` that FIPS 180-4 gives as examples.
    #[test]
    fn files_are_told_by_their_content() {
        use DigestAlgorithm::{BuildId, Sha1, Sha256, Sha384, Sha512};
        let folder = tempfile::tempdir().unwrap();
        let (abc, other) = (folder.path().join("abc"), folder.path().join("other"));
        std::fs::write(&abc, "abc").unwrap();
        std::fs::write(&other, "abd").unwrap();
        for (algorithm, hex) in [
            (Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            let none = (BuildId, "00");
            assert!(verify_program(&probe(&abc, &[none, (algorithm, hex)])).is_ok(), "{algorithm:?}");
            let refused = verify_program(&probe(&other, &[none, (algorithm, hex)]));
            assert!(
                matches!(refused, Err(PlaceError::Digests(has)) if has.starts_with(&format!("`{}:", algorithm.name())))
            );
        }
        let refused = verify_program(&probe(&abc, &[(BuildId, "00")]));
        assert!(matches!(refused, Err(PlaceError::Digests(has)) if has == "no build ID"));
        let absent = verify_program(&probe(Path::new("/no/such"), &[(BuildId, "00")]));
        assert!(matches!(absent, Err(PlaceError::Program(_))));
        assert!(verify_program(&probe(Path::new("/no/such"), &[])).is_ok());
    }
}
