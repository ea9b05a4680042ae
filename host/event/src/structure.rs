//! Structures of the kernel's that hooked functions take, as rows of fields.

use std::borrow::Cow;

use crate::field::{Fields, Value, texts};
use crate::kernel_object::{BpfMap, BpfProgram, Credentials, Module, PerfEvent, UserNamespace};
use crate::names::{CAPABILITIES, name};
use crate::network::{Address, Packet, Sock, UnixAddress};

/// A structure that a hooked function takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Structure {
    /// A socket.
    Sock(Sock),
    /// A packet.
    Packet(Packet),
    /// An address of a socket.
    Address(Address),
    /// An address of a UNIX socket.
    UnixAddress(UnixAddress),
    /// Credentials.
    Credentials(Box<Credentials>),
    /// A user namespace.
    UserNamespace(UserNamespace),
    /// The number of a capability.
    Capability(i32),
    /// A kernel module.
    Module(Module),
    /// A BPF program.
    BpfProgram(BpfProgram),
    /// A BPF map.
    BpfMap(BpfMap),
    /// A perf event.
    PerfEvent(PerfEvent),
    /// The name of a network device.
    NetDevice(String),
    /// A system call.
    Syscall {
        /// Its number.
        number: u32,
        /// Whether it is one of 32-bit programs.
        is_compat: bool,
    },
}

impl Structure {
    /// Its key in the event: the name of Tetragon's field of `KprobeArgument`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Structure::Sock(_) => "sock_arg",
            Structure::Packet(_) => "skb_arg",
            Structure::Address(_) => "sockaddr_arg",
            Structure::UnixAddress(_) => "sockaddrun_arg",
            Structure::Credentials(_) => "process_credentials_arg",
            Structure::UserNamespace(_) => "user_ns_arg",
            Structure::Capability(_) => "capability_arg",
            Structure::Module(_) => "module_arg",
            Structure::BpfProgram(BpfProgram { is_request: true, .. }) => "bpf_attr_arg",
            Structure::BpfProgram(_) => "bpf_prog_arg",
            Structure::BpfMap(_) => "bpf_map_arg",
            Structure::PerfEvent(_) => "perf_event_arg",
            Structure::NetDevice(_) => "net_dev_arg",
            Structure::Syscall { .. } => "syscall_id",
        }
    }

    /// Its fields.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        match self {
            Structure::Sock(sock) => sock.fields(),
            Structure::Packet(packet) => packet.fields(),
            Structure::Address(address) => address.fields(),
            Structure::UnixAddress(address) => address.fields(),
            Structure::Credentials(credentials) => credentials.fields(),
            Structure::UserNamespace(namespace) => namespace.fields(),
            Structure::Capability(number) => capability(*number),
            Structure::Module(module) => module.fields(),
            Structure::BpfProgram(program) => program.fields(),
            Structure::BpfMap(map) => map.fields(),
            Structure::PerfEvent(event) => event.fields(),
            Structure::NetDevice(name) => vec![("name", Value::text(name))],
            Structure::Syscall { number, is_compat } => {
                let abi = if *is_compat { "i386" } else { "x64" };
                vec![("id", Value::Number(*number)), ("abi", Value::text(abi))]
            }
        }
    }

    /// Its fields as texts, without those that are left out in the event; `a.b` is the field `b` of the structure `a`.
    #[must_use]
    pub fn texts(&self) -> Vec<(Cow<'static, str>, String)> {
        texts(self.fields())
    }
}

/// A capability that has no name has none in the event.
fn capability(number: i32) -> Fields<'static> {
    let known = u32::try_from(number).ok().filter(|&number| (number as usize) < CAPABILITIES.len());
    let name = known.map(|number| name(CAPABILITIES, number)).unwrap_or_default();
    vec![("value", Value::Wrapped(number.into())), ("name", Value::Text(name))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_texts_for_plugins() {
        let credentials = Credentials {
            effective: (1000, 0),
            permitted: 3,
            user_ns: UserNamespace { level: 0, uid: 0, gid: 7, inum: 9 },
            ..Credentials::default()
        };
        let texts = Structure::Credentials(Box::new(credentials)).texts();
        let get = |key: &str| texts.iter().find(|(known, _)| known == key).map(|(_, text)| text.as_str());
        assert_eq!(get("euid"), Some("1000"));
        assert_eq!(get("egid"), Some("0"), "wrapped numbers are told");
        assert_eq!(get("caps.permitted"), Some("CAP_CHOWN DAC_OVERRIDE"));
        assert_eq!(get("caps.effective"), None);
        assert_eq!((get("user_ns.gid"), get("user_ns.ns.is_host")), (Some("7"), Some("true")));
    }
}
