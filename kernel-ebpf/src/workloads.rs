//! Cgroups of containers: found when they are made, and whether the current one is in a policy's scope.

use aya_ebpf::helpers::generated::bpf_get_current_cgroup_id;
use serin_abi::config::{SCOPE_CONTAINERS, SCOPE_HOST};
use serin_abi::workload::{CONTAINER_ID, Cgroup, ContainerId, Name, Scopes, container_id};
use serin_abi::{MAX_NAME, MAX_STRING};

use crate::maps::{CGROUPS, CONTAINERS, EVERY_CONTAINER};
use crate::memory::{copy, kernel_string, number, pointer};
use crate::scratch::{self, Slot};
use crate::{counters, offset, output};

/// `cgroup_mkdir(struct cgroup *cgrp, const char *path)`
/// <https://elixir.bootlin.com/linux/v6.12/source/include/trace/events/cgroup.h#L53>
#[inline(always)]
pub fn made(cgroup: u64) {
    if !is_unified(cgroup) {
        return;
    }
    let Some(scratch) = scratch::acquire() else {
        return output::lost_for_want_of_scratch();
    };
    if let Some(slot) = scratch.slot(0) {
        let node = pointer(cgroup + offset!(cgroup_kn));
        let name = CgroupName(slot);
        let mut id = [0; CONTAINER_ID];
        if container_id(&name, name.read(pointer(node + offset!(kernfs_node_name))), &mut id) {
            remember(node, Cgroup { id, scopes: scopes_of(&id) });
        } else if let Some(above) = above(cgroup) {
            remember(node, above);
        }
    }
    scratch.release();
}

/// `cgroup_rmdir(struct cgroup *cgrp, const char *path)`, when no process is left in it.
#[inline(always)]
pub fn removed(cgroup: u64) {
    if is_unified(cgroup) {
        // Most are no containers': that there is nothing to remove is no error.
        let _ = CGROUPS.remove(pointer(pointer(cgroup + offset!(cgroup_kn)) + offset!(kernfs_node_id)));
    }
}

/// Whether the current process is where a scope says; `whose` are `SCOPE_*` bits.
#[inline(always)]
pub fn current_is_in(scope: u32, whose: u32) -> bool {
    // SAFETY: the helper takes no arguments; entries are only replaced as a whole.
    match unsafe { CGROUPS.get(bpf_get_current_cgroup_id()) } {
        Some(cgroup) => whose & SCOPE_CONTAINERS != 0 && cgroup.scopes.contains(scope),
        None => whose & SCOPE_HOST != 0,
    }
}

/// Ids of cgroups mean something in their own hierarchy only.
#[inline(always)]
fn is_unified(cgroup: u64) -> bool {
    number(pointer(cgroup + offset!(cgroup_root)) + offset!(cgroup_root_hierarchy_id)) == 0
}

/// What the cgroup is below.
#[inline(always)]
fn above(cgroup: u64) -> Option<Cgroup> {
    let state = pointer(cgroup + offset!(cgroup_self_parent));
    let parent = pointer(state + offset!(cgroup_subsys_state_cgroup));
    let id = pointer(pointer(parent + offset!(cgroup_kn)) + offset!(kernfs_node_id));
    // SAFETY: entries are only replaced as a whole.
    unsafe { CGROUPS.get(id) }.copied()
}

#[inline(always)]
fn scopes_of(id: &ContainerId) -> Scopes {
    // SAFETY: entries are only replaced as a whole.
    if let Some(scopes) = unsafe { CONTAINERS.get(id) } {
        return *scopes;
    }
    EVERY_CONTAINER.get(0).copied().unwrap_or(Scopes::NONE)
}

#[inline(always)]
fn remember(node: u64, cgroup: Cgroup) {
    if CGROUPS.insert(pointer(node + offset!(kernfs_node_id)), cgroup, 0).is_err()
        && let Some(counters) = counters::of_this_cpu()
    {
        // SAFETY: a pointer to a map value.
        unsafe { counters::increment(&raw mut (*counters).cgroups_full) };
    }
}

/// A name in a slot's buffer.
struct CgroupName(*mut Slot);

impl CgroupName {
    /// Reads it; its length.
    #[inline(always)]
    fn read(&self, from: u64) -> u32 {
        // SAFETY: a pointer to a map value, whose buffer is longer than the longest name and its NUL.
        unsafe {
            let buffer = (&raw mut (*self.0).buffer).cast();
            kernel_string(buffer, from, MAX_NAME as u32 + 1).unwrap_or(1) - 1
        }
    }
}

impl Name for CgroupName {
    #[inline(always)]
    fn byte(&self, at: u32) -> u8 {
        // SAFETY: a pointer to a map value; the mask shows the verifier that the byte is within the buffer.
        unsafe { (&raw const (*self.0).buffer).cast::<u8>().add(at as usize & (MAX_STRING - 1)).read() }
    }

    #[inline(always)]
    fn copy(&self, from: u32, to: &mut ContainerId) -> bool {
        // SAFETY: as above; the buffer is longer than MAX_STRING and an id.
        unsafe {
            let from = (&raw const (*self.0).buffer).cast::<u8>().add(from as usize & (MAX_STRING - 1));
            copy(to.as_mut_ptr(), from as u64, CONTAINER_ID as u32)
        }
    }
}
