//! Structures of the kernel among an event's arguments.

use serin_event::argument::Argument;
use serin_event::kernel_object::{BpfMap, BpfProgram, Credentials, Module, PerfEvent, UserNamespace};
use serin_event::network::{Address, Packet, Sock, Tuple, UnixAddress};
use serin_event::structure::Structure;
use serin_event::{EventKind, json};

use crate::{event, hook, line};

#[test]
fn structures_are_told_as_tetragon_tells_them() {
    let tuple = Tuple {
        family: 2,
        protocol: 6,
        saddr: "10.0.0.1".parse().ok(),
        daddr: "10.0.0.2".parse().ok(),
        sport: 4000,
        dport: 80,
    };
    let unix = Tuple { family: 1, ..Tuple::default() };
    let packet = Packet {
        hash: 7,
        len: 60,
        mark: 8,
        priority: 9,
        sec_path_len: 1,
        sec_path_olen: 2,
        tuple: tuple.clone(),
    };
    for (structure, expected) in [
        (
            Structure::Sock(Sock { tuple, kind: 1, state: 1, mark: 3, priority: 4, cookie: u64::MAX }),
            r#"{"sock_arg":{"family":"AF_INET","type":"SOCK_STREAM","protocol":"IPPROTO_TCP","mark":3,"priority":4,"saddr":"10.0.0.1","daddr":"10.0.0.2","sport":4000,"dport":80,"cookie":"18446744073709551615","state":"TCP_ESTABLISHED"}}"#,
        ),
        (
            Structure::Sock(Sock { tuple: unix, kind: 2, state: 7, ..Sock::default() }),
            r#"{"sock_arg":{"family":"AF_UNIX","type":"SOCK_DGRAM","protocol":"IPPROTO_IP","state":"TCP_CLOSE"}}"#,
        ),
        (
            Structure::Packet(packet),
            r#"{"skb_arg":{"hash":7,"len":60,"priority":9,"mark":8,"saddr":"10.0.0.1","daddr":"10.0.0.2","sport":4000,"dport":80,"proto":6,"sec_path_len":1,"sec_path_olen":2,"protocol":"IPPROTO_TCP","family":"AF_INET"}}"#,
        ),
        (
            Structure::Address(Address { family: 10, addr: "::1".parse().ok(), port: 53 }),
            r#"{"sockaddr_arg":{"family":"AF_INET6","addr":"::1","port":53}}"#,
        ),
        (
            Structure::UnixAddress(UnixAddress { family: 1, path: "@name".into() }),
            r#"{"sockaddrun_arg":{"family":"AF_UNIX","path":"@name"}}"#,
        ),
        (
            Structure::Credentials(Box::new(Credentials {
                real: (1, 2),
                effective: (0, 4),
                saved: (5, 6),
                filesystem: (7, 8),
                securebits: 3,
                permitted: 1,
                capable: 1 << 39,
                inheritable: 0,
                user_ns: UserNamespace { level: 0, uid: 0, gid: 0, inum: 4_026_531_837 },
            })),
            r#"{"process_credentials_arg":{"uid":1,"gid":2,"euid":0,"egid":4,"suid":5,"sgid":6,"fsuid":7,"fsgid":8,"securebits":["SecBitNoRoot","SecBitNoRootLocked"],"caps":{"permitted":["CAP_CHOWN"],"effective":["CAP_BPF"]},"user_ns":{"level":0,"uid":0,"gid":0,"ns":{"inum":4026531837,"is_host":true}}}}"#,
        ),
        (
            Structure::UserNamespace(UserNamespace { level: 1, uid: 1000, gid: 0, inum: 7 }),
            r#"{"user_ns_arg":{"level":1,"uid":1000,"gid":0,"ns":{"inum":7}}}"#,
        ),
        (Structure::Capability(0), r#"{"capability_arg":{"value":0,"name":"CAP_CHOWN"}}"#),
        (Structure::Capability(-1), r#"{"capability_arg":{"value":-1}}"#),
        (
            Structure::Module(Module { name: "m".into(), taints: 1 << 12, signature_ok: Some(false) }),
            r#"{"module_arg":{"name":"m","signature_ok":false,"tainted":["TAINT_OUT_OF_TREE_MODULE"]}}"#,
        ),
        (
            Structure::Module(Module { name: "m".into(), taints: 0, signature_ok: None }),
            r#"{"module_arg":{"name":"m"}}"#,
        ),
        (
            Structure::BpfProgram(BpfProgram {
                is_request: true,
                kind: 2,
                instructions: 3,
                name: "p".into(),
            }),
            r#"{"bpf_attr_arg":{"ProgType":"BPF_PROG_TYPE_KPROBE","InsnCnt":3,"ProgName":"p"}}"#,
        ),
        (
            Structure::BpfProgram(BpfProgram::default()),
            r#"{"bpf_prog_arg":{"ProgType":"BPF_PROG_TYPE_UNSPEC"}}"#,
        ),
        (
            Structure::BpfMap(BpfMap {
                kind: 1,
                key_size: 4,
                value_size: 8,
                max_entries: 9,
                name: "m".into(),
            }),
            r#"{"bpf_map_arg":{"MapType":"BPF_MAP_TYPE_HASH","KeySize":4,"ValueSize":8,"MaxEntries":9,"MapName":"m"}}"#,
        ),
        (
            Structure::PerfEvent(PerfEvent { function: "f".into(), kind: 8, config: 1, offset: 2 }),
            r#"{"perf_event_arg":{"KprobeFunc":"f","Type":"8","Config":"1","ProbeOffset":"2"}}"#,
        ),
        (Structure::NetDevice("lo".into()), r#"{"net_dev_arg":{"name":"lo"}}"#),
        (Structure::Syscall { number: 8, is_compat: false }, r#"{"syscall_id":{"id":8,"abi":"x64"}}"#),
        (Structure::Syscall { number: 0, is_compat: true }, r#"{"syscall_id":{"abi":"i386"}}"#),
    ] {
        let arguments = vec![(Argument::Structure(Box::new(structure)), "".into())];
        let hook = hook(arguments.clone(), &["KPROBE_ACTION_POST"]);
        let line = line(&event(EventKind::Kprobe(hook)));
        assert!(line.contains(&format!(r#""args":[{expected}]"#)), "{expected}\n{line}");
        let EventKind::Kprobe(read) = json::read(&line).unwrap().kind else { unreachable!() };
        assert_eq!(read.arguments, arguments, "{line}");
    }
}
