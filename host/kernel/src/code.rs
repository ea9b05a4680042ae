//! Loading programs that aya cannot load: it gives those on kernel functions no attach type.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};

use aya::Ebpf;

use crate::KernelError;
use crate::bpf::{self, ProgramCode};
use crate::memory::data;
use crate::programs::Object;

/// The programs of an instance, as they are to be loaded.
pub(crate) struct Code {
    object: aya_obj::Object,
    /// Their BTF, in the kernel: some helpers are refused without.
    types: Option<OwnedFd>,
}

/// Bytes of the verifier's log.
const LOG: usize = 1 << 20;

impl Code {
    /// Those of an instance that has just been loaded. Its maps must stay open until the programs have been loaded.
    pub(crate) fn of(ebpf: &Ebpf, object: Object) -> Result<Self, KernelError> {
        let unusable = |error: &dyn std::error::Error| KernelError::Code(error.to_string());
        let mut object = aya_obj::Object::parse(object.bytes()).map_err(|error| unusable(&error))?;
        let features = aya::features();
        let types = match features.btf() {
            Some(features) => object.fixup_and_sanitize_btf(features).map_err(|error| unusable(&error))?,
            None => None,
        };
        let types = types
            .map(|types| bpf::load_types(&types.to_bytes()))
            .transpose()
            .map_err(|error| unusable(&error))?;
        let descriptors: HashMap<&str, RawFd> =
            ebpf.maps().filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd().as_raw_fd()))).collect();
        let maps = std::mem::take(&mut object.maps);
        let known = maps
            .iter()
            .filter_map(|(name, map)| Some((name.as_str(), *descriptors.get(name.as_str())?, map)));
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        object.relocate_maps(known, &sections).map_err(|error| unusable(&error))?;
        object.relocate_calls(&sections).map_err(|error| unusable(&error))?;
        object.sanitize_functions(features);
        Ok(Self { object, types })
    }

    /// Loads a program to be attached to many functions at once.
    pub(crate) fn load(&self, name: &'static str) -> Result<OwnedFd, KernelError> {
        let program = self.object.programs.get(name).ok_or(KernelError::Missing(name))?;
        let function =
            self.object.functions.get(&program.function_key()).ok_or(KernelError::Missing(name))?;
        let code = ProgramCode { name, license: &program.license, function, types: self.types.as_ref() };
        let mut log = Vec::new();
        bpf::load(&code, &mut log)
            .or_else(|_| {
                // Once more, to be told why.
                log.resize(LOG, 0);
                bpf::load(&code, &mut log)
            })
            .map_err(|source| {
                let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
                let log = String::from_utf8_lossy(&log[..end]).trim().to_owned();
                KernelError::Verifier { program: name, source, log }
            })
    }
}
