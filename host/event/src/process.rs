//! A process as users see it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// One program image of a process: from exec (or fork, or first sight) to the next exec or exit.
///
/// Shared by `Arc` between all events of the process; nothing in it changes.
/// <https://tetragon.io/docs/reference/grpc-api/#process>
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// base64 of `node:ktime:pid`: unique in a cluster.
    pub exec_id: String,
    /// Process id in the initial pid namespace.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Working directory at exec.
    pub cwd: String,
    /// Path of the program.
    pub binary: String,
    /// `argv[1..]`.
    pub arguments: Vec<String>,
    /// How this image came about.
    pub flags: Flags,
    /// Nanoseconds since the Unix epoch.
    pub start_time: u64,
    /// Login uid; 4294967295 if unset.
    pub auid: u32,
    /// `exec_id` of the parent; empty if unknown.
    pub parent_exec_id: String,
    /// Id of the cgroup in the unified hierarchy; 0 if unknown.
    pub cgroup_id: u64,
    /// Path of the cgroup below the cgroup mount, e.g. `/system.slice/ssh.service`; empty if unknown.
    pub cgroup: String,
    /// The pod that it runs in, if it runs in a container that the agent has been told about.
    pub pod: Option<Arc<Pod>>,
}

/// What the agent has been told about a container: Tetragon's `Pod` and `Container`. What is empty is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pod {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The container's id.
    pub container_id: String,
    /// The container's name in the pod.
    pub container_name: String,
    /// The repository of the container's image, without tag: `docker.io/library/nginx`.
    pub image: String,
    /// The pod's labels.
    pub labels: BTreeMap<String, String>,
}

/// How a [`Process`] came about: Tetragon's `flags` vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// Seen by its exec.
    pub execve: bool,
    /// Found in /proc when the agent started.
    pub proc_fs: bool,
    /// Seen by its fork.
    pub clone: bool,
    /// The arguments did not fit.
    pub truncated_arguments: bool,
    /// The working directory is the root directory.
    pub root_cwd: bool,
    /// The working directory could not be resolved.
    pub error_cwd: bool,
    /// The path of the binary could not be resolved.
    pub error_filename: bool,
    /// Started before the agent knew of it, or its exec was lost.
    pub miss: bool,
}

impl Flags {
    /// Tetragon's words for what is set, in its order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.execve, "execve"),
            (self.proc_fs, "procFS"),
            (self.truncated_arguments, "truncArgs"),
            (self.miss, "miss"),
            (self.error_filename, "errorFilename"),
            (self.root_cwd, "rootcwd"),
            (self.error_cwd, "errorCWD"),
            (self.clone, "clone"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
    }
}

/// Length of a container id: 32 bytes in hexadecimal.
const CONTAINER_ID_LENGTH: usize = 64;
/// Tetragon cuts container ids to this many characters in `docker`.
const DOCKER_ID_LENGTH: usize = 31;

/// Id of the container that a cgroup belongs to.
///
/// Docker, containerd, CRI-O and podman name a container's cgroup after its
/// id, 64 hexadecimal digits, behind a prefix of their own and before
/// `.scope` under systemd. A cgroup that was made inside the container
/// stands below it, so the innermost such name counts.
///
/// ```
/// # use serin_event::process::container_id;
/// let id = "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d";
/// let cgroup = format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope");
/// assert_eq!(container_id(&cgroup), Some(id));
/// ```
pub fn container_id(cgroup: &str) -> Option<&str> {
    if cgroup.len() <= CONTAINER_ID_LENGTH {
        return None;
    }
    cgroup.rsplit('/').find_map(|name| {
        let name = name.strip_suffix(".scope").unwrap_or(name);
        let start = name.len().checked_sub(CONTAINER_ID_LENGTH)?;
        let (prefix, id) = name.split_at_checked(start)?;
        let separate = prefix.is_empty() || prefix.ends_with(['-', ':']);
        (separate && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    })
}

impl Process {
    /// Id of the container that the process runs in, from its [`cgroup`](Self::cgroup): see [`container_id`].
    pub fn container_id(&self) -> Option<&str> {
        container_id(&self.cgroup)
    }

    /// The start of the [`container_id`](Self::container_id) that Tetragon tells as `docker`.
    pub fn docker(&self) -> Option<&str> {
        self.container_id()?.get(..DOCKER_ID_LENGTH)
    }

    /// The arguments as one string: joined by spaces, an argument with a space in it in quotes.
    pub fn command_arguments(&self) -> String {
        let quoted = |argument: &String| {
            if argument.contains(' ') { format!("\"{argument}\"") } else { argument.clone() }
        };
        self.arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "551e161c47d8ff0eb665438a7bcd5b4ac8c0a1fd2e4f4f7b3c1d5e6f7a8b9c0d";

    #[test]
    fn finds_container_ids() {
        for (cgroup, found) in [
            ("/system.slice/docker-ID.scope", true),
            ("/docker/ID", true),
            ("/docker/ID/init.scope", true),
            ("/kubepods/burstable/pod0b5f/ID", true),
            ("/kubepods.slice/kubepods-besteffort.slice/cri-containerd-ID.scope", true),
            ("/kubepods.slice/crio-ID.scope", true),
            ("/machine.slice/libpod-ID.scope/container", true),
            ("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:ID", true),
            ("/docker/ID/system.slice/ssh.service", true),
            ("", false),
            ("/", false),
            ("/system.slice/ssh.service", false),
            ("/docker/ID0", false),
            ("/system.slice/ID.service", false),
            (
                "/user.slice/a-name-of-sixty-four-letters-that-is-not-hexadecimal-in-any-sense-at-all.scope",
                false,
            ),
        ] {
            let process = Process { cgroup: cgroup.replace("ID", ID), ..Process::default() };
            assert_eq!(process.container_id(), found.then_some(ID), "{cgroup}");
        }
    }
}
