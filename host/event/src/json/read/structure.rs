//! Structures of the kernel's: the inverse of [`Structure::fields`].

use std::net::IpAddr;

use super::fields::{Fields, ReadError};
use crate::kernel_object::{BpfMap, BpfProgram, Credentials, Module, PerfEvent, UserNamespace};
use crate::names::{BPF_MAP_TYPES, BPF_PROGRAM_TYPES, CAPABILITIES, PERF_TYPES, SECUREBITS, TAINTS, Words};
use crate::network::{Address, FAMILIES, Names, PROTOCOLS, Packet, STATES, Sock, TYPES, Tuple, UnixAddress};
use crate::structure::Structure;

/// What reads the fields of a structure.
type Reader = fn(&mut Fields) -> Result<Structure, ReadError>;

/// What reads the structure that has this key in an event; none if it is no structure's key.
pub(super) fn reader(name: &str) -> Option<Reader> {
    let reader: Reader = match name {
        "sock_arg" => |from| sock(from).map(Structure::Sock),
        "skb_arg" => |from| packet(from).map(Structure::Packet),
        "sockaddr_arg" => |from| {
            Ok(Structure::Address(Address {
                family: named(from, "family", FAMILIES)?,
                addr: ip(from, "addr")?,
                port: from.integer("port")?,
            }))
        },
        "sockaddrun_arg" => |from| {
            let family = named(from, "family", FAMILIES)?;
            Ok(Structure::UnixAddress(UnixAddress { family, path: from.text("path")? }))
        },
        "process_credentials_arg" => |from| Ok(Structure::Credentials(Box::new(credentials(from)?))),
        "user_ns_arg" => |from| user_namespace(from).map(Structure::UserNamespace),
        "capability_arg" => |from| {
            // It is called after its number.
            from.text("name")?;
            from.integer("value").map(Structure::Capability)
        },
        "module_arg" => |from| module(from).map(Structure::Module),
        "bpf_attr_arg" => |from| bpf_program(from, true).map(Structure::BpfProgram),
        "bpf_prog_arg" => |from| bpf_program(from, false).map(Structure::BpfProgram),
        "bpf_map_arg" => |from| bpf_map(from).map(Structure::BpfMap),
        "perf_event_arg" => |from| perf_event(from).map(Structure::PerfEvent),
        "net_dev_arg" => |from| from.text("name").map(Structure::NetDevice),
        "syscall_id" => |from| {
            Ok(Structure::Syscall { number: from.integer("id")?, is_compat: from.text("abi")? == "i386" })
        },
        _ => return None,
    };
    Some(reader)
}

fn tuple(from: &mut Fields) -> Result<Tuple, ReadError> {
    Ok(Tuple {
        family: named(from, "family", FAMILIES)?,
        protocol: named(from, "protocol", PROTOCOLS)?,
        saddr: ip(from, "saddr")?,
        daddr: ip(from, "daddr")?,
        sport: from.integer("sport")?,
        dport: from.integer("dport")?,
    })
}

fn sock(from: &mut Fields) -> Result<Sock, ReadError> {
    let state = named(from, "state", STATES)?;
    Ok(Sock {
        tuple: tuple(from)?,
        kind: named(from, "type", TYPES)?,
        state: u8::try_from(state).map_err(|_| from.wrong("state", "not below 256"))?,
        mark: from.integer("mark")?,
        priority: from.integer("priority")?,
        cookie: from.integer("cookie")?,
    })
}

fn packet(from: &mut Fields) -> Result<Packet, ReadError> {
    // `protocol` says the same in a word.
    from.integer::<u32>("proto")?;
    Ok(Packet {
        tuple: tuple(from)?,
        hash: from.integer("hash")?,
        len: from.integer("len")?,
        mark: from.integer("mark")?,
        priority: from.integer("priority")?,
        sec_path_len: from.integer("sec_path_len")?,
        sec_path_olen: from.integer("sec_path_olen")?,
    })
}

fn credentials(from: &mut Fields) -> Result<Credentials, ReadError> {
    let mut caps = from.object("caps")?;
    let mut set = |key| match &mut caps {
        Some(caps) => bits(caps, key, CAPABILITIES),
        None => Ok(0),
    };
    let (permitted, capable, inheritable) = (set("permitted")?, set("effective")?, set("inheritable")?);
    if let Some(caps) = &caps {
        caps.finish()?;
    }
    let user_ns = from.object("user_ns")?.map(|mut inner| {
        let read = user_namespace(&mut inner)?;
        inner.finish().map(|()| read)
    });
    let securebits = bits(from, "securebits", SECUREBITS)?;
    Ok(Credentials {
        real: (from.integer("uid")?, from.integer("gid")?),
        effective: (from.integer("euid")?, from.integer("egid")?),
        saved: (from.integer("suid")?, from.integer("sgid")?),
        filesystem: (from.integer("fsuid")?, from.integer("fsgid")?),
        // As many bits as there are names.
        securebits: securebits as u32,
        permitted,
        capable,
        inheritable,
        user_ns: user_ns.transpose()?.unwrap_or_default(),
    })
}

fn user_namespace(from: &mut Fields) -> Result<UserNamespace, ReadError> {
    let mut inum = 0;
    if let Some(mut namespace) = from.object("ns")? {
        inum = namespace.integer("inum")?;
        // The level tells.
        namespace.boolean("is_host")?;
        namespace.finish()?;
    }
    Ok(UserNamespace {
        level: from.integer("level")?,
        uid: from.integer("uid")?,
        gid: from.integer("gid")?,
        inum,
    })
}

fn module(from: &mut Fields) -> Result<Module, ReadError> {
    let known = from.has("signature_ok");
    let good = from.boolean("signature_ok")?;
    Ok(Module {
        name: from.text("name")?,
        taints: bits(from, "tainted", TAINTS)?,
        signature_ok: known.then_some(good),
    })
}

fn bpf_program(from: &mut Fields, is_request: bool) -> Result<BpfProgram, ReadError> {
    Ok(BpfProgram {
        is_request,
        kind: word(from, "ProgType", BPF_PROGRAM_TYPES)?,
        instructions: from.integer("InsnCnt")?,
        name: from.text("ProgName")?,
    })
}

fn bpf_map(from: &mut Fields) -> Result<BpfMap, ReadError> {
    Ok(BpfMap {
        kind: word(from, "MapType", BPF_MAP_TYPES)?,
        key_size: from.integer("KeySize")?,
        value_size: from.integer("ValueSize")?,
        max_entries: from.integer("MaxEntries")?,
        name: from.text("MapName")?,
    })
}

fn perf_event(from: &mut Fields) -> Result<PerfEvent, ReadError> {
    Ok(PerfEvent {
        function: from.text("KprobeFunc")?,
        kind: word(from, "Type", PERF_TYPES)?,
        config: from.integer("Config")?,
        offset: from.integer("ProbeOffset")?,
    })
}

fn ip(from: &mut Fields, key: &str) -> Result<Option<IpAddr>, ReadError> {
    match from.text(key)?.as_str() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| from.wrong(key, &format!("`{text}` is no address"))),
    }
}

/// A number by its name, or as it stands; 0 if it is not there.
fn named(from: &mut Fields, key: &str, names: Names) -> Result<u16, ReadError> {
    let text = from.text(key)?;
    let known = names.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
    number(from, key, &text, known)
}

/// The same, for names that count from 0.
fn word(from: &mut Fields, key: &str, words: Words) -> Result<u32, ReadError> {
    let text = from.text(key)?;
    let known = words.iter().position(|name| *name == text && !text.is_empty()).map(|place| place as u32);
    number(from, key, &text, known)
}

fn number<T: std::str::FromStr + Default>(
    from: &Fields,
    key: &str,
    text: &str,
    known: Option<T>,
) -> Result<T, ReadError> {
    match known {
        Some(number) => Ok(number),
        None if text.is_empty() => Ok(T::default()),
        None => {
            text.parse().map_err(|_| from.wrong(key, &format!("`{text}` is neither a name nor a number")))
        }
    }
}

/// The bits that are named.
fn bits(from: &mut Fields, key: &str, words: Words) -> Result<u64, ReadError> {
    let list = from.take(key);
    from.texts(key, list)?.iter().try_fold(0, |set, name| {
        let bit = words.iter().position(|word| word == name && !name.is_empty());
        let bit = bit.ok_or_else(|| from.wrong(key, &format!("`{name}` is no name of a bit")))?;
        Ok(set | 1 << bit)
    })
}
