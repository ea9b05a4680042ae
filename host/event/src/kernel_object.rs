//! Credentials, modules and BPF objects.

use crate::field::{Fields, Value};
use crate::names::{
    BPF_MAP_TYPES, BPF_PROGRAM_TYPES, CAPABILITIES, PERF_TYPES, SECUREBITS, TAINTS, bits, name,
};

/// Credentials: Tetragon's `ProcessCredentials`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Real user and group id.
    pub real: (u32, u32),
    /// Effective user and group id.
    pub effective: (u32, u32),
    /// Saved user and group id.
    pub saved: (u32, u32),
    /// User and group id for access to files.
    pub filesystem: (u32, u32),
    /// `SECBIT_*`, see [`SECUREBITS`](crate::names::SECUREBITS).
    pub securebits: u32,
    /// Permitted capabilities, a bit each.
    pub permitted: u64,
    /// Effective capabilities.
    pub capable: u64,
    /// Inheritable capabilities.
    pub inheritable: u64,
    /// Where they are valid.
    pub user_ns: UserNamespace,
}

/// A user namespace: Tetragon's `UserNamespace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserNamespace {
    /// How many namespaces it is nested in; 0 is the host's.
    pub level: i32,
    /// User id of its owner.
    pub uid: u32,
    /// Group id of its owner.
    pub gid: u32,
    /// Inode number.
    pub inum: u32,
}

/// A kernel module: Tetragon's `KernelModule`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// `TAINT_*`, see [`TAINTS`](crate::names::TAINTS).
    pub taints: u64,
    /// Whether its signature is good; known only while it is being loaded.
    pub signature_ok: Option<bool>,
}

/// A BPF program: Tetragon's `KprobeBpfProg`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BpfProgram {
    /// It is only about to be loaded: Tetragon's `KprobeBpfAttr`.
    pub is_request: bool,
    /// `BPF_PROG_TYPE_*`, see [`BPF_PROGRAM_TYPES`](crate::names::BPF_PROGRAM_TYPES).
    pub kind: u32,
    /// How many instructions it has.
    pub instructions: u32,
    /// Its name, of at most 15 bytes.
    pub name: String,
}

/// A BPF map: Tetragon's `KprobeBpfMap`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BpfMap {
    /// `BPF_MAP_TYPE_*`, see [`BPF_MAP_TYPES`](crate::names::BPF_MAP_TYPES).
    pub kind: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// How many entries it can have.
    pub max_entries: u32,
    /// Its name, of at most 15 bytes.
    pub name: String,
}

/// A perf event: Tetragon's `KprobePerfEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PerfEvent {
    /// The function that a kprobe is about to be put on.
    pub function: String,
    /// `PERF_TYPE_*`, see [`PERF_TYPES`](crate::names::PERF_TYPES), or one of those that the kernel gives out when it starts.
    pub kind: u32,
    /// Meaning by type.
    pub config: u64,
    /// Bytes from the function's start.
    pub offset: u64,
}

impl Credentials {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("uid", Value::Wrapped(self.real.0.into())),
            ("gid", Value::Wrapped(self.real.1.into())),
            ("euid", Value::Wrapped(self.effective.0.into())),
            ("egid", Value::Wrapped(self.effective.1.into())),
            ("suid", Value::Wrapped(self.saved.0.into())),
            ("sgid", Value::Wrapped(self.saved.1.into())),
            ("fsuid", Value::Wrapped(self.filesystem.0.into())),
            ("fsgid", Value::Wrapped(self.filesystem.1.into())),
            ("securebits", Value::Texts(bits(SECUREBITS, self.securebits.into()))),
            (
                "caps",
                Value::Fields(vec![
                    ("permitted", Value::Texts(bits(CAPABILITIES, self.permitted))),
                    ("effective", Value::Texts(bits(CAPABILITIES, self.capable))),
                    ("inheritable", Value::Texts(bits(CAPABILITIES, self.inheritable))),
                ]),
            ),
            ("user_ns", Value::Fields(self.user_ns.fields())),
        ]
    }
}

impl UserNamespace {
    pub(crate) fn fields(&self) -> Fields<'_> {
        let is_host = self.level == 0;
        vec![
            ("level", Value::Wrapped(self.level.into())),
            ("uid", Value::Wrapped(self.uid.into())),
            ("gid", Value::Wrapped(self.gid.into())),
            (
                "ns",
                Value::Fields(vec![("inum", Value::Number(self.inum)), ("is_host", Value::Flag(is_host))]),
            ),
        ]
    }
}

impl Module {
    pub(crate) fn fields(&self) -> Fields<'_> {
        let signature = self.signature_ok.map(|good| ("signature_ok", Value::WrappedFlag(good)));
        let taints = ("tainted", Value::Texts(bits(TAINTS, self.taints)));
        [("name", Value::text(&self.name))].into_iter().chain(signature).chain([taints]).collect()
    }
}

impl BpfProgram {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("ProgType", Value::Text(name(BPF_PROGRAM_TYPES, self.kind))),
            ("InsnCnt", Value::Number(self.instructions)),
            ("ProgName", Value::text(&self.name)),
        ]
    }
}

impl BpfMap {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("MapType", Value::Text(name(BPF_MAP_TYPES, self.kind))),
            ("KeySize", Value::Number(self.key_size)),
            ("ValueSize", Value::Number(self.value_size)),
            ("MaxEntries", Value::Number(self.max_entries)),
            ("MapName", Value::text(&self.name)),
        ]
    }
}

impl PerfEvent {
    pub(crate) fn fields(&self) -> Fields<'_> {
        vec![
            ("KprobeFunc", Value::text(&self.function)),
            ("Type", Value::Text(name(PERF_TYPES, self.kind))),
            ("Config", Value::Long(self.config)),
            ("ProbeOffset", Value::Long(self.offset)),
        ]
    }
}
