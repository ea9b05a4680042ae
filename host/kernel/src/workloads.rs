//! Containers and their cgroups, and the scopes of policies that they are in.
//!
//! Programs take note of cgroups when they are made and removed, from when the first policy asks for it. Those that are
//! there by then are found in the cgroup file system.

use std::collections::{BTreeSet, HashMap as Map};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};
use serin_abi::NO_FIELD;
use serin_abi::workload::{CONTAINER_ID, Cgroup, ContainerId, Name, Scopes as Bits, container_id};
use serin_policy::{Description, PolicyPlan};

use crate::kernel::{exists, is_absent};
use crate::programs::{map_error, take_map};
use crate::scopes::Scopes;
use crate::wire::Wire;
use crate::{Kernel, KernelError};

/// `BPF_NOEXIST` and `BPF_EXIST`
const NO_EXIST: u64 = 1;
const EXIST: u64 = 2;

/// What the agent knows of containers, and the maps that tell the programs.
pub(crate) struct Workloads {
    pub(crate) scopes: Scopes,
    /// By container id.
    descriptions: Map<String, Description>,
    /// There is where descriptions come from.
    described: bool,
    attached: bool,
    cgroups: HashMap<MapData, u64, Wire<Cgroup>>,
    containers: HashMap<MapData, ContainerId, Wire<Bits>>,
    every: Array<MapData, Wire<Bits>>,
}

impl Workloads {
    pub(crate) fn new(base: &mut Ebpf, described: bool) -> Result<Self, KernelError> {
        Ok(Self {
            scopes: Scopes::default(),
            descriptions: Map::new(),
            described,
            attached: false,
            cgroups: take_map(base, "CGROUPS")?,
            containers: take_map(base, "CONTAINERS")?,
            every: take_map(base, "EVERY_CONTAINER")?,
        })
    }
}

impl Kernel {
    /// Takes in what is known of containers, by their ids: all of it, each time. Those that run change their scopes at once.
    ///
    /// # Errors
    /// If the kernel's tables are full or can't be written.
    pub fn describe_containers(&mut self, descriptions: Map<String, Description>) -> Result<(), KernelError> {
        self.workloads.descriptions = descriptions;
        if self.workloads.attached { self.workloads.classify() } else { Ok(()) }
    }

    /// Gives the scopes of policies their bits, and containers the bits of their scopes.
    pub(crate) fn name_scopes(&mut self, policies: &[PolicyPlan]) -> Result<(), KernelError> {
        let Some(policy) = policies.iter().find(|policy| is_scoped(policy)) else { return Ok(()) };
        let refuse =
            |policy: &PolicyPlan, reason| KernelError::Workloads { policy: policy.name.clone(), reason };
        if let Some(policy) = policies.iter().find(|policy| needs_description(policy))
            && !self.workloads.described
        {
            let reason = "by labels, names or a namespace, which Kubernetes knows and the kernel does not; start the \
                          agent with `--containers DIR`, where files say what containers are";
            return Err(refuse(policy, reason.into()));
        }
        let mut scopes = self.workloads.scopes.clone();
        let new = scopes.extend(policies).map_err(|reason| refuse(policy, reason))?;
        self.workloads.scopes = scopes;
        if !self.workloads.attached {
            if self.offsets.0.cgroup_kn == NO_FIELD {
                return Err(refuse(policy, "this kernel has no cgroups".into()));
            }
            let mount = unified_mount().map_err(|reason| refuse(policy, reason))?;
            // What the programs look up first, then the programs, then what they have not seen made.
            self.workloads.classify()?;
            self.attach_raw("cgroup_removed", "cgroup_rmdir")?;
            self.attach_raw("cgroup_made", "cgroup_mkdir")?;
            self.workloads.attached = true;
            // Until nothing is new: what is made below a cgroup before that is noted is seen by the next look.
            while self.workloads.add_below(&mount, None)? {}
        }
        if new { self.workloads.classify() } else { Ok(()) }
    }
}

impl Workloads {
    /// Tells the programs which scopes containers are in: first those to come, then those that are there.
    fn classify(&mut self) -> Result<(), KernelError> {
        /// The second mostly finds nothing any more.
        const LOOKS: usize = 32;
        let every = Wire(self.scopes.of("", None));
        self.every.set(0, every, 0).map_err(|error| map_error("EVERY_CONTAINER", error))?;
        let known: BTreeSet<&String> = self.descriptions.keys().chain(self.scopes.ids()).collect();
        let known: Map<ContainerId, Bits> =
            known.into_iter().filter_map(|id| Some((key(id)?, self.bits(id)))).collect();
        for (id, bits) in &known {
            let inserted = self.containers.insert(id, Wire(*bits), 0);
            inserted.map_err(|error| map_error("CONTAINERS", error))?;
        }
        let stale: Vec<_> =
            self.containers.keys().filter_map(Result::ok).filter(|id| !known.contains_key(id)).collect();
        for id in stale {
            self.containers
                .remove(&id)
                .or_else(ignore_absent)
                .map_err(|error| map_error("CONTAINERS", error))?;
        }
        for _ in 0..LOOKS {
            if !self.classify_cgroups(&known, every.0)? {
                return Ok(());
            }
        }
        Err(KernelError::Restless)
    }

    /// Whether any was in other scopes.
    fn classify_cgroups(&mut self, known: &Map<ContainerId, Bits>, every: Bits) -> Result<bool, KernelError> {
        let cgroups: Vec<_> = self.cgroups.iter().filter_map(Result::ok).collect();
        let mut changed = false;
        for (number, Wire(Cgroup { id, scopes: before })) in cgroups {
            let scopes = known.get(&id).copied().unwrap_or(every);
            if scopes != before {
                changed = true;
                let written = self.cgroups.insert(number, Wire(Cgroup { id, scopes }), EXIST);
                written.or_else(ignore_absent).map_err(|error| map_error("CGROUPS", error))?;
            }
        }
        Ok(changed)
    }

    fn bits(&self, id: &str) -> Bits {
        self.scopes.of(id, self.descriptions.get(id))
    }

    /// Adds the cgroups below a directory, which is one of the container above it if there is one; whether any were new.
    fn add_below(&mut self, directory: &Path, above: Option<ContainerId>) -> Result<bool, KernelError> {
        let mut new = false;
        // What cannot be read has been removed.
        for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let Some(metadata) = entry.metadata().ok().filter(fs::Metadata::is_dir) else { continue };
            let id = id_in(entry.file_name().as_encoded_bytes()).or(above);
            if let Some(id) = id {
                new |= self.add(metadata.ino(), id)?;
                if !path.exists() {
                    // Its removal may have been noted before this was.
                    let removed = self.cgroups.remove(&metadata.ino()).or_else(ignore_absent);
                    removed.map_err(|error| map_error("CGROUPS", error))?;
                }
            }
            new |= self.add_below(&path, id)?;
        }
        Ok(new)
    }

    fn add(&mut self, cgroup: u64, id: ContainerId) -> Result<bool, KernelError> {
        let scopes = std::str::from_utf8(&id).map_or(Bits::NONE, |id| self.bits(id));
        match self.cgroups.insert(cgroup, Wire(Cgroup { id, scopes }), NO_EXIST) {
            Ok(()) => Ok(true),
            Err(error) if exists(&error) => Ok(false),
            Err(error) => Err(map_error("CGROUPS", error)),
        }
    }
}

fn ignore_absent(error: MapError) -> Result<(), MapError> {
    if is_absent(&error) || matches!(error, MapError::KeyNotFound) { Ok(()) } else { Err(error) }
}

fn is_scoped(policy: &PolicyPlan) -> bool {
    policy.hooks.iter().flat_map(|hook| &hook.selectors).any(|selector| !selector.scopes.is_empty())
}

fn needs_description(policy: &PolicyPlan) -> bool {
    let selectors = policy.hooks.iter().flat_map(|hook| &hook.selectors);
    let mut scopes =
        selectors.flat_map(|selector| &selector.scopes).filter_map(|scope| scope.containers.as_ref());
    scopes.any(serin_policy::ContainerScope::needs_description)
}

/// An id as the programs look it up; `None` if it is none.
fn key(id: &str) -> Option<ContainerId> {
    id.as_bytes().try_into().ok()
}

/// A directory's name, held against those of containers.
struct DirectoryName<'n>(&'n [u8]);

impl Name for DirectoryName<'_> {
    fn byte(&self, at: u32) -> u8 {
        self.0.get(at as usize).copied().unwrap_or(0)
    }

    fn copy(&self, from: u32, to: &mut ContainerId) -> bool {
        let bytes = self.0.get(from as usize..).and_then(|rest| rest.get(..CONTAINER_ID));
        bytes.is_some_and(|bytes| {
            to.copy_from_slice(bytes);
            true
        })
    }
}

fn id_in(name: &[u8]) -> Option<ContainerId> {
    let mut id = [0; CONTAINER_ID];
    container_id(&DirectoryName(name), name.len() as u32, &mut id).then_some(id)
}

/// Where the unified hierarchy is mounted.
///
/// # Errors
/// There are hierarchies of version 1, by which runtimes then tell containers apart and the programs cannot.
fn unified_mount() -> Result<PathBuf, String> {
    let mounts =
        fs::read_to_string("/proc/self/mounts").map_err(|error| format!("/proc/self/mounts: {error}"))?;
    find_unified(&mounts)
}

fn find_unified(mounts: &str) -> Result<PathBuf, String> {
    let entries = || {
        mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
    };
    if entries().any(|(_, kind)| kind == "cgroup") {
        return Err("cgroups of version 1 are mounted on this host, where containers cannot be told apart in the kernel; \
                    boot it with systemd.unified_cgroup_hierarchy=1"
            .into());
    }
    let unified = entries().find(|(_, kind)| *kind == "cgroup2");
    unified.map(|(path, _)| path.into()).ok_or_else(|| "no cgroup2 file system is mounted".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn finds_the_unified_hierarchy() {
        let v2 = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
        assert_eq!(find_unified(v2).unwrap(), Path::new("/sys/fs/cgroup"));
        let hybrid = format!("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n{v2}");
        assert!(find_unified(&hybrid).unwrap_err().contains("version 1"));
        assert!(find_unified("proc /proc proc rw 0 0\n").unwrap_err().contains("no cgroup2"));
    }

    #[test]
    fn finds_ids_in_names() {
        let id = "5e1f".repeat(16);
        assert_eq!(id_in(format!("docker-{id}.scope").as_bytes()), key(&id));
        assert_eq!(id_in(b"system.slice"), None);
    }
}
