//! Structures that are read by a list of fields: the lists, and what becomes of the words and the text.

use serin_abi::config::{FIELD_POINTER, FIELD_TEXT, FieldConfig};
use serin_abi::record::{
    KIND_BPF_ATTR, KIND_BPF_MAP, KIND_BPF_PROG, KIND_CRED, KIND_LOAD_INFO, KIND_MODULE, KIND_NET_DEVICE,
    KIND_PERF_EVENT, KIND_USER_NAMESPACE,
};
use serin_btf::{BtfError, Field};
use serin_event::kernel_object::{BpfMap, BpfProgram, Credentials, Module, PerfEvent, UserNamespace};
use serin_event::structure::Structure;
use serin_policy::ArgumentKind;

use crate::wire::read;

/// Fields of structures, each a pointer to the next structure but the last, which is read.
type Chain = &'static [(&'static str, &'static str)];

/// What is read of a structure.
struct Layout {
    words: &'static [Chain],
    /// Of words, those that a kernel may lack: they are 0 then.
    optional: &'static [usize],
    /// Characters behind the words.
    text: Option<Chain>,
    /// The text's field is a pointer to it.
    text_is_pointed_to: bool,
}

const NOTHING: Layout = Layout { words: &[], optional: &[], text: None, text_is_pointed_to: false };

const USER_NAMESPACE: Layout = Layout {
    words: &[
        &[("user_namespace", "level")],
        &[("user_namespace", "owner")],
        &[("user_namespace", "group")],
        &[("user_namespace", "ns.inum")],
    ],
    ..NOTHING
};

const CRED: Layout = Layout {
    words: &[
        &[("cred", "uid")],
        &[("cred", "gid")],
        &[("cred", "euid")],
        &[("cred", "egid")],
        &[("cred", "suid")],
        &[("cred", "sgid")],
        &[("cred", "fsuid")],
        &[("cred", "fsgid")],
        &[("cred", "securebits")],
        &[("cred", "cap_permitted")],
        &[("cred", "cap_effective")],
        &[("cred", "cap_inheritable")],
        &[("cred", "user_ns"), ("user_namespace", "level")],
        &[("cred", "user_ns"), ("user_namespace", "owner")],
        &[("cred", "user_ns"), ("user_namespace", "group")],
        &[("cred", "user_ns"), ("user_namespace", "ns.inum")],
    ],
    ..NOTHING
};

const MODULE: Layout =
    Layout { words: &[&[("module", "taints")]], text: Some(&[("module", "name")]), ..NOTHING };

const LOAD_INFO: Layout = Layout {
    words: &[&[("load_info", "mod"), ("module", "taints")], &[("load_info", "sig_ok")]],
    // CONFIG_MODULE_SIG
    optional: &[1],
    text: Some(&[("load_info", "name")]),
    text_is_pointed_to: true,
};

const BPF_ATTR: Layout = Layout {
    words: &[&[("bpf_attr", "prog_type")], &[("bpf_attr", "insn_cnt")]],
    text: Some(&[("bpf_attr", "prog_name")]),
    ..NOTHING
};

const BPF_PROG: Layout = Layout {
    words: &[&[("bpf_prog", "type")], &[("bpf_prog", "len")]],
    text: Some(&[("bpf_prog", "aux"), ("bpf_prog_aux", "name")]),
    ..NOTHING
};

const BPF_MAP: Layout = Layout {
    words: &[
        &[("bpf_map", "map_type")],
        &[("bpf_map", "key_size")],
        &[("bpf_map", "value_size")],
        &[("bpf_map", "max_entries")],
    ],
    text: Some(&[("bpf_map", "name")]),
    ..NOTHING
};

const PERF_EVENT: Layout = Layout {
    words: &[
        &[("perf_event", "attr.type")],
        &[("perf_event", "attr.config")],
        &[("perf_event", "attr.probe_offset")],
    ],
    text: Some(&[("perf_event", "attr.kprobe_func")]),
    text_is_pointed_to: true,
    ..NOTHING
};

const NET_DEVICE: Layout = Layout { text: Some(&[("net_device", "name")]), ..NOTHING };

fn layout(kind: ArgumentKind) -> Layout {
    match kind {
        ArgumentKind::Cred => CRED,
        ArgumentKind::UserNamespace => USER_NAMESPACE,
        ArgumentKind::Module => MODULE,
        ArgumentKind::LoadInfo => LOAD_INFO,
        ArgumentKind::BpfAttr => BPF_ATTR,
        ArgumentKind::BpfProg => BPF_PROG,
        ArgumentKind::BpfMap => BPF_MAP,
        ArgumentKind::PerfEvent => PERF_EVENT,
        ArgumentKind::NetDevice => NET_DEVICE,
        _ => NOTHING,
    }
}

/// What a hook program has to read for an argument of this type; empty for those that it reads in another way.
///
/// # Errors
/// Names the field that this kernel lacks.
pub(crate) fn fields(
    kind: ArgumentKind,
    find: impl Fn(&str, &str) -> Result<Field, BtfError>,
) -> Result<Vec<FieldConfig>, BtfError> {
    let layout = layout(kind);
    let mut fields = Vec::new();
    for (number, chain) in layout.words.iter().enumerate() {
        match follow(chain, &find, |size| size) {
            Ok(steps) => fields.extend(steps),
            Err(_) if layout.optional.contains(&number) => fields.push(FieldConfig { offset: 0, size: 0 }),
            Err(error) => return Err(error),
        }
    }
    if let Some(chain) = layout.text {
        if layout.text_is_pointed_to {
            fields.extend(follow(chain, &find, |_| FIELD_POINTER)?);
            fields.push(FieldConfig { offset: 0, size: FIELD_TEXT });
        } else {
            fields.extend(follow(chain, &find, |_| FIELD_TEXT)?);
        }
    }
    Ok(fields)
}

/// The steps along a chain; `last` says what is done at its end with a field of that size.
fn follow(
    chain: Chain,
    find: &impl Fn(&str, &str) -> Result<Field, BtfError>,
    last: impl Fn(u32) -> u32,
) -> Result<Vec<FieldConfig>, BtfError> {
    let found = chain.iter().map(|(structure, path)| find(structure, path));
    let mut steps = found
        .map(|field| field.map(|Field { offset, size }| FieldConfig { offset, size }))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some((end, pointers)) = steps.split_last_mut() {
        end.size = last(end.size);
        pointers.iter_mut().for_each(|step| step.size = FIELD_POINTER);
    }
    Ok(steps)
}

/// The structure that a record's bytes hold; `None` if they are too short, or of no such kind.
pub(crate) fn decode(kind: u32, value: &[u8]) -> Option<Structure> {
    let word = |number: usize| read::<u64>(value, 8 * number);
    let small = |number: usize| word(number).map(|word| word as u32);
    let text = |words: usize| Some(String::from_utf8_lossy(value.get(8 * words..)?).into_owned());
    let pair = |first: usize| Some((small(first)?, small(first + 1)?));
    let user_namespace = |first: usize| {
        let (level, (uid, gid), inum) = (small(first)? as i32, pair(first + 1)?, small(first + 3)?);
        Some(UserNamespace { level, uid, gid, inum })
    };
    Some(match kind {
        KIND_CRED => Structure::Credentials(Box::new(Credentials {
            real: pair(0)?,
            effective: pair(2)?,
            saved: pair(4)?,
            filesystem: pair(6)?,
            securebits: small(8)?,
            permitted: word(9)?,
            capable: word(10)?,
            inheritable: word(11)?,
            user_ns: user_namespace(12)?,
        })),
        KIND_USER_NAMESPACE => Structure::UserNamespace(user_namespace(0)?),
        KIND_MODULE => Structure::Module(Module { taints: word(0)?, signature_ok: None, name: text(1)? }),
        KIND_LOAD_INFO => {
            Structure::Module(Module { taints: word(0)?, signature_ok: Some(word(1)? != 0), name: text(2)? })
        }
        KIND_BPF_ATTR | KIND_BPF_PROG => Structure::BpfProgram(BpfProgram {
            is_request: kind == KIND_BPF_ATTR,
            kind: small(0)?,
            instructions: small(1)?,
            name: text(2)?,
        }),
        KIND_BPF_MAP => Structure::BpfMap(BpfMap {
            kind: small(0)?,
            key_size: small(1)?,
            value_size: small(2)?,
            max_entries: small(3)?,
            name: text(4)?,
        }),
        KIND_PERF_EVENT => Structure::PerfEvent(PerfEvent {
            kind: small(0)?,
            config: word(1)?,
            offset: word(2)?,
            function: text(3)?,
        }),
        KIND_NET_DEVICE => Structure::NetDevice(text(0)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// Pointers lie at 1, characters at 2, everything else at 3 and is four bytes long.
    fn find(_: &str, path: &str) -> Result<Field, BtfError> {
        match path {
            "sig_ok" => Err(BtfError::NoField { structure: "load_info".into(), path: path.into() }),
            "mod" | "user_ns" | "aux" => Ok(Field { offset: 1, size: 8 }),
            "name" => Ok(Field { offset: 2, size: 16 }),
            _ => Ok(Field { offset: 3, size: 4 }),
        }
    }

    #[test]
    fn fields_are_steps() {
        let step = |offset, size| FieldConfig { offset, size };
        for (kind, expected) in [
            (ArgumentKind::Module, vec![step(3, 4), step(2, FIELD_TEXT)]),
            (
                ArgumentKind::LoadInfo,
                vec![
                    step(1, FIELD_POINTER),
                    step(3, 4),
                    // This kernel has no signatures.
                    step(0, 0),
                    step(2, FIELD_POINTER),
                    step(0, FIELD_TEXT),
                ],
            ),
            (
                ArgumentKind::BpfProg,
                vec![step(3, 4), step(3, 4), step(1, FIELD_POINTER), step(2, FIELD_TEXT)],
            ),
            (ArgumentKind::Int, vec![]),
        ] {
            assert_eq!(fields(kind, find).unwrap(), expected, "{kind:?}");
        }
        let lacks =
            |_: &str, path: &str| Err(BtfError::NoField { structure: "module".into(), path: path.into() });
        let error = fields(ArgumentKind::Module, lacks).unwrap_err().to_string();
        assert_eq!(error, "this kernel's BTF has no field module.taints");
    }

    #[test]
    fn words_and_text_become_structures() {
        let record = |words: &[u64], text: &str| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).chain(text.bytes()).collect()
        };
        let credentials = Credentials {
            real: (0, 1),
            effective: (2, 3),
            saved: (4, 5),
            filesystem: (6, 7),
            securebits: 8,
            permitted: 9,
            capable: 10,
            inheritable: 11,
            user_ns: UserNamespace { level: 12, uid: 13, gid: 14, inum: 15 },
        };
        let words: Vec<u64> = (0..16).collect();
        assert_eq!(
            decode(KIND_CRED, &record(&words, "")),
            Some(Structure::Credentials(Box::new(credentials)))
        );
        assert_eq!(decode(KIND_CRED, &record(&words[..15], "")), None);
        let module = Module { name: "m".into(), taints: 1, signature_ok: Some(true) };
        assert_eq!(decode(KIND_LOAD_INFO, &record(&[1, 1], "m")), Some(Structure::Module(module)));
        let program = BpfProgram { is_request: false, kind: 2, instructions: 3, name: "p".into() };
        assert_eq!(decode(KIND_BPF_PROG, &record(&[2, 3], "p")), Some(Structure::BpfProgram(program)));
        let map = BpfMap { kind: 1, key_size: 2, value_size: 3, max_entries: 4, name: "m".into() };
        assert_eq!(decode(KIND_BPF_MAP, &record(&[1, 2, 3, 4], "m")), Some(Structure::BpfMap(map)));
        let event = PerfEvent { function: "f".into(), kind: 1, config: 2, offset: 3 };
        assert_eq!(decode(KIND_PERF_EVENT, &record(&[1, 2, 3], "f")), Some(Structure::PerfEvent(event)));
        assert_eq!(decode(KIND_PERF_EVENT, &record(&[1, 2], "")), None);
        assert_eq!(decode(KIND_NET_DEVICE, b"lo"), Some(Structure::NetDevice("lo".into())));
        assert_eq!(decode(0, b""), None);
    }
}
