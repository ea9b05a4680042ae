//! How container runtimes name cgroups.

/// A container, as the path of a cgroup tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// `docker`, `containerd`, `cri-o` or `podman`; none if the path doesn't tell.
    pub runtime: Option<&'static str>,
    /// UID of the Kubernetes pod, if it is in one.
    pub pod: Option<String>,
}

impl Container {
    /// The innermost container of a cgroup; none on the host.
    ///
    /// The last part of the path that names a container counts: containers
    /// have cgroups of their own below (systemd in a container, podman's
    /// `container`), and containers run in containers.
    pub fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split(['/', ':']).collect();
        let (index, id, runtime) = parts.iter().enumerate().rev().find_map(|(i, part)| {
            let parent = i.checked_sub(1).and_then(|parent| parts.get(parent)).copied();
            let (id, runtime) = container(part, parent.unwrap_or_default())?;
            Some((i, id, runtime))
        })?;
        let ancestors = parts.get(..index).unwrap_or_default();
        Some(Self { id: id.to_owned(), runtime, pod: pod(ancestors) })
    }
}

/// `<id>`, `<runtime>-<id>` or `<runtime>-<id>.scope`.
fn container<'a>(part: &'a str, parent: &str) -> Option<(&'a str, Option<&'static str>)> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (prefix, id) = name.rsplit_once('-').unwrap_or((parent, name));
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let runtime = match prefix {
        "docker" => Some("docker"),
        "cri-containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("cri-o"),
        "libpod" | "libpod_parent" => Some("podman"),
        // The monitor beside a container, which is not in it.
        "crio-conmon" | "libpod-conmon" => return None,
        _ => None,
    };
    Some((id, runtime))
}

/// `kubepods/burstable/pod<uid>` or `kubepods-burstable-pod<uid>.slice`.
fn pod(ancestors: &[&str]) -> Option<String> {
    let kubepods = ancestors.iter().position(|part| part.starts_with("kubepods"))?;
    ancestors.iter().skip(kubepods).rev().find_map(|part| {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        let uid = name.strip_prefix("pod").or_else(|| Some(name.rsplit_once("-pod")?.1))?;
        // systemd takes `-` for a level of the hierarchy, so kubelet writes `_`. A static pod has a plain hash.
        let uid = uid.replace('_', "-");
        let valid = matches!(uid.len(), 32 | 36) && uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        valid.then_some(uid)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::Container;

    const ID: &str = "4c01db0b339c7ea7d8b8b0b8d4a2bd0f0f6a8c3e1d2b4a59687f6e5d4c3b2a19";
    const POD: &str = "8b6c8a1e-5f0c-4d7e-9a57-3d9fb1a2c3d4";

    #[test]
    fn paths_of_every_runtime() {
        let pod_in_slice = POD.replace('-', "_");
        #[rustfmt::skip]
        let cases = [
            (format!("/docker/{ID}"), Some(("docker", None))),
            (format!("/system.slice/docker-{ID}.scope"), Some(("docker", None))),
            (format!("/system.slice/docker-{ID}.scope/init.scope"), Some(("docker", None))),
            (format!("/docker/{}/docker/{ID}", ID.replace('4', "5")), Some(("docker", None))),
            (format!("/system.slice/nerdctl-{ID}.scope"), Some(("containerd", None))),
            (format!("/default/{ID}"), Some(("", None))),
            (format!("/ecs/0123456789abcdef0123456789abcdef/{ID}"), Some(("", None))),
            (format!("/machine.slice/libpod-{ID}.scope/container"), Some(("podman", None))),
            (format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"), Some(("podman", None))),
            (format!("/libpod_parent/libpod-{ID}"), Some(("podman", None))),
            (format!("/libpod_parent/{ID}"), Some(("podman", None))),
            (format!("/machine.slice/libpod-conmon-{ID}.scope"), None),
            (format!("/kubepods/burstable/pod{POD}/{ID}"), Some(("", Some(POD)))),
            (format!("/kubepods/pod{POD}/crio-{ID}"), Some(("cri-o", Some(POD)))),
            (format!("/kubepods.slice/kubepods-pod{pod_in_slice}.slice/docker-{ID}.scope"), Some(("docker", Some(POD)))),
            (format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod_in_slice}.slice/cri-containerd-{ID}.scope"), Some(("containerd", Some(POD)))),
            (format!("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{pod_in_slice}.slice/crio-{ID}.scope/container"), Some(("cri-o", Some(POD)))),
            (format!("/kubepods.slice/kubepods-pod{pod_in_slice}.slice/crio-conmon-{ID}.scope"), None),
            (format!("/system.slice/containerd.service/kubepods-burstable-pod{pod_in_slice}.slice:cri-containerd:{ID}"), Some(("containerd", Some(POD)))),
            (format!("/kubelet/kubepods/burstable/pod0123456789abcdef0123456789abcdef/{ID}"), Some(("", Some("0123456789abcdef0123456789abcdef")))),
            ("/kubepods/burstable".to_owned(), None),
            ("/system.slice/ssh.service".to_owned(), None),
            (format!("/docker/{}", &ID[1..]), None),
            (format!("/docker/{}g", &ID[1..]), None),
            ("/".to_owned(), None),
            (String::new(), None),
        ];
        for (path, expected) in cases {
            let found = Container::of(&path);
            let expected = expected.map(|(runtime, pod)| Container {
                id: ID.to_owned(),
                runtime: ["docker", "containerd", "cri-o", "podman"]
                    .into_iter()
                    .find(|name| *name == runtime),
                pod: pod.map(str::to_owned),
            });
            assert_eq!(found, expected, "{path}");
        }
    }
}
