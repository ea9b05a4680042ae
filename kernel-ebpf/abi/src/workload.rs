//! Containers, by the names of their cgroups, and the scopes of policies that they are in.
//!
//! Every scope that asks for containers and differs from all others has a bit. A container gets its bits when its
//! cgroup is made, before anything can run in it; a hook then looks at one bit of the current cgroup's.

use crate::BinarySets;

/// Scopes: one bit each, as given out by the agent.
pub type Scopes = BinarySets;

/// Hexadecimal digits of a container's id.
pub const CONTAINER_ID: usize = 64;

/// The id of a container.
pub type ContainerId = [u8; CONTAINER_ID];

/// A cgroup of a container, or one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Cgroup {
    /// The container's id.
    pub id: ContainerId,
    /// The scopes that it is in.
    pub scopes: Scopes,
}

/// The last name of a cgroup's path.
pub trait Name {
    /// One of its bytes.
    fn byte(&self, at: u32) -> u8;
    /// Copies as many of its bytes from here on as an id has; false if that cannot be done.
    fn copy(&self, from: u32, to: &mut ContainerId) -> bool;
}

/// What units of systemd that it does not start itself end in.
const SCOPE: &[u8; 6] = b".scope";
/// What stands before the id of a container whose monitor is meant, which is not in it: `libpod-conmon-`, `crio-conmon-`.
const MONITOR: &[u8; 7] = b"-conmon";

/// The id of the container that a cgroup with this name is of: `<id>`, `<runtime>-<id>`, `….slice:<runtime>:<id>`, perhaps with
/// `.scope` behind it. False if it is no container's.
#[inline(always)]
pub fn container_id(name: &impl Name, length: u32, id: &mut ContainerId) -> bool {
    let end = length.wrapping_sub(if ends_with(name, length, SCOPE) { SCOPE.len() as u32 } else { 0 });
    let start = end.wrapping_sub(CONTAINER_ID as u32);
    if end < CONTAINER_ID as u32 || !name.copy(start, id) || !is_hexadecimal(id) {
        return false;
    }
    if start == 0 {
        return true;
    }
    let before = name.byte(start - 1);
    (before == b'-' || before == b':') && !ends_with(name, start - 1, MONITOR)
}

#[inline(always)]
fn ends_with<const N: usize>(name: &impl Name, length: u32, end: &[u8; N]) -> bool {
    let Some(start) = length.checked_sub(N as u32) else { return false };
    let mut differs = 0;
    let mut index = 0;
    while index < N {
        differs |= name.byte(start + index as u32) ^ end[index];
        index += 1;
    }
    differs == 0
}

/// Without a branch for each digit, of which the verifier would follow both ways.
#[inline(always)]
fn is_hexadecimal(id: &ContainerId) -> bool {
    let mut others = 0;
    let mut index = 0;
    while index < CONTAINER_ID {
        let byte = u32::from(id[index]);
        others |= 1
            ^ (is_below(byte.wrapping_sub(b'0'.into()), 10)
                | is_below((byte | 0x20).wrapping_sub(b'a'.into()), 6));
        index += 1;
    }
    others == 0
}

/// 1 if a number is below another that is small.
#[inline(always)]
fn is_below(number: u32, limit: u32) -> u32 {
    (number.wrapping_sub(limit) & !number) >> 31
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::borrow::ToOwned;
    use std::format;

    use super::*;

    struct Text<'t>(&'t [u8]);

    impl Name for Text<'_> {
        fn byte(&self, at: u32) -> u8 {
            self.0[at as usize]
        }
        fn copy(&self, from: u32, to: &mut ContainerId) -> bool {
            to.copy_from_slice(&self.0[from as usize..from as usize + CONTAINER_ID]);
            true
        }
    }

    #[test]
    fn every_runtime_names_cgroups_by_the_id() {
        const ID: &str = "4c01db0b339c7ea7d8b8b0b8d4a2bd0f0f6a8c3e1d2b4a59687f6e5d4c3b2a19";
        for (name, expected) in [
            (ID.to_owned(), true),
            (format!("docker-{ID}.scope"), true),
            (format!("crio-{ID}"), true),
            (format!("libpod-{ID}.scope"), true),
            (format!("kubepods-burstable-pod8b6c8a1e.slice:cri-containerd:{ID}"), true),
            (ID.to_uppercase(), true),
            (format!("libpod-conmon-{ID}.scope"), false),
            (format!("crio-conmon-{ID}.scope"), false),
            (format!("docker_{ID}"), false),
            (format!("{}g", &ID[1..]), false),
            (format!("{}/", &ID[1..]), false),
            (format!("{}:", &ID[1..]), false),
            (format!("{}@", &ID[1..]), false),
            (ID[1..].to_owned(), false),
            ("ssh.service".to_owned(), false),
            (".scope".to_owned(), false),
            (std::string::String::new(), false),
        ] {
            let mut id = [0; CONTAINER_ID];
            let found = container_id(&Text(name.as_bytes()), name.len() as u32, &mut id);
            assert_eq!(found, expected, "{name}");
            if found {
                assert!(id.eq_ignore_ascii_case(ID.as_bytes()), "{name}");
            }
        }
    }
}
