# Generated from docs/plugin-abi.md by plugins/bindgen: do not edit.
"""The structures of a frame."""

from __future__ import annotations

from collections.abc import Iterator

from .frame import Structure

# The schema of frames that these views know.
SCHEMA = 5

# Kinds of events by their code.
KINDS = {
    1: "process_exec",
    2: "process_exit",
    3: "process_kprobe",
    4: "loss",
    5: "action_result",
    6: "process_lsm",
    7: "alert",
    8: "plugin_error",
    9: "process_tracepoint",
    10: "process_uprobe",
    11: "process_usdt",
    12: "process_loader",
}


class Event(Structure):
    """An event: the record itself."""

    __slots__ = ()

    @property
    def record_length(self) -> int:
        """Length of the record in bytes, its data included; a multiple of 8."""
        return self._u32(4)

    @property
    def time(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._u64(8)

    @property
    def kind_code(self) -> int:
        """Kind: 1 process_exec, 2 process_exit, 3 process_kprobe, 4 loss, 5 action_result, 6 process_lsm, 7 alert, 8 plugin_error, 9 process_tracepoint, 10 process_uprobe, 11 process_usdt, 12 process_loader."""
        return self._u8(16)

    @property
    def trigger_code(self) -> int:
        """For `alert`: the kind of the event that it was raised on, whose details are here too."""
        return self._u8(17)

    @property
    def tid(self) -> int:
        """Thread id; 0 if none."""
        return self._u32(20)

    @property
    def node(self) -> Node | None:
        """The host it happened on."""
        return self._shared(24, Node)

    @property
    def process(self) -> Process | None:
        """The process it happened in; none for losses and action results."""
        return self._shared(28, Process)

    @property
    def parent(self) -> Process | None:
        """That process's parent, if known."""
        return self._shared(32, Process)

    @property
    def exit(self) -> Exit | None:
        """For `process_exit`: how the process ended."""
        return self._one(36, Exit)

    @property
    def kprobe(self) -> Kprobe | None:
        """For `process_kprobe`, `process_lsm`, `process_tracepoint`, `process_uprobe` and `process_usdt`: what the policy's hook saw and did."""
        return self._one(40, Kprobe)

    @property
    def loss(self) -> Loss | None:
        """For `loss`: what was lost."""
        return self._one(44, Loss)

    @property
    def action_result(self) -> ActionResult | None:
        """For `action_result`: what became of an action."""
        return self._one(48, ActionResult)

    @property
    def alert(self) -> Alert | None:
        """For `alert`: the finding."""
        return self._shared(52, Alert)

    @property
    def annotations(self) -> Iterator[Annotation]:
        """What earlier plugins attached, in the order they ran."""
        return self._shared_list(56, Annotation)

    @property
    def alerts(self) -> Iterator[Alert]:
        """What earlier plugins raised, in the order they ran."""
        return self._shared_list(64, Alert)

    @property
    def plugin_error(self) -> PluginError | None:
        """For `plugin_error`: which plugin, and why."""
        return self._one(72, PluginError)

    @property
    def loader(self) -> Loader | None:
        """For `process_loader`: what was mapped. Since schema 4."""
        return self._one(76, Loader)


class Node(Structure):
    """A host."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self._text(8)


class Process(Structure):
    """A process: one program image, from exec to the next exec or exit."""

    __slots__ = ()

    @property
    def pid(self) -> int:
        """Process id in the initial pid namespace."""
        return self._u32(4)

    @property
    def uid(self) -> int:
        """Effective user id."""
        return self._u32(8)

    @property
    def auid(self) -> int:
        """Login uid; 4294967295 if unset."""
        return self._u32(12)

    @property
    def start_time(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._u64(16)

    @property
    def cgroup_id(self) -> int:
        """Id of the cgroup in the unified hierarchy; 0 if unknown."""
        return self._u64(24)

    @property
    def exec_id(self) -> str:
        """base64 of `node:ktime:pid`: unique in a cluster."""
        return self._text(32)

    @property
    def parent_exec_id(self) -> str:
        """`exec_id` of the parent; empty if unknown."""
        return self._text(40)

    @property
    def binary(self) -> str:
        """Path of the program."""
        return self._text(48)

    @property
    def cwd(self) -> str:
        """Working directory at exec."""
        return self._text(56)

    @property
    def cgroup(self) -> str:
        """Path of the cgroup below the cgroup mount; empty if unknown."""
        return self._text(64)

    @property
    def arguments(self) -> Iterator[str]:
        """`argv[1..]`."""
        return self._texts(72)

    @property
    def flags(self) -> int:
        """How the image came about: the sum of 1 execve, 2 procFS, 4 clone, 8 truncArgs, 16 rootcwd, 32 errorCWD, 64 errorFilename, 128 miss."""
        return self._u32(80)

    @property
    def pod(self) -> Pod | None:
        """The pod that it runs in, if it runs in a container that the agent has been told about. Since schema 5."""
        return self._one(84, Pod)


class Pod(Structure):
    """What the agent has been told about a container; what is empty is not known. Since schema 5."""

    __slots__ = ()

    @property
    def namespace(self) -> str:
        """The pod's namespace."""
        return self._text(8)

    @property
    def name(self) -> str:
        """The pod's name."""
        return self._text(16)

    @property
    def container_id(self) -> str:
        """The container's id."""
        return self._text(24)

    @property
    def container_name(self) -> str:
        """The container's name in the pod."""
        return self._text(32)

    @property
    def image(self) -> str:
        """The repository of the container's image, without tag."""
        return self._text(40)

    @property
    def labels(self) -> Iterator[Field]:
        """The pod's labels."""
        return self._list(48, Field)


class Exit(Structure):
    """How a process ended."""

    __slots__ = ()

    @property
    def status(self) -> int:
        """Exit status; 0 if killed."""
        return self._u8(4)

    @property
    def signal(self) -> int:
        """Number of the signal that killed it; 0 if none."""
        return self._u8(5)


class Hook(Structure):
    """A policy's hook, and what its matching selector does."""

    __slots__ = ()

    @property
    def function_name(self) -> str:
        """The hooked function, e.g. `__x64_sys_symlinkat`."""
        return self._text(8)

    @property
    def policy_name(self) -> str:
        """Name of the policy."""
        return self._text(16)

    @property
    def message(self) -> str:
        """The policy's message for this hook; empty if none."""
        return self._text(24)

    @property
    def tags(self) -> Iterator[str]:
        """The policy's tags for this hook."""
        return self._texts(32)

    @property
    def actions(self) -> Iterator[str]:
        """Every action that the selector took, in order, e.g. `KPROBE_ACTION_OVERRIDE`."""
        return self._texts(40)

    @property
    def return_actions(self) -> Iterator[str]:
        """Those that it took when the call had returned, likewise. Since schema 4."""
        return self._texts(48)


class Kprobe(Structure):
    """What a policy's hook saw."""

    __slots__ = ()

    @property
    def hook(self) -> Hook | None:
        """The hook."""
        return self._shared(4, Hook)

    @property
    def selector(self) -> int:
        """Index of the selector that matched."""
        return self._u32(8)

    @property
    def failed_closed(self) -> int:
        """1: an enforcing filter could not read an argument and failed closed."""
        return self._u8(12)

    @property
    def unenforced(self) -> int:
        """1: the policy's Override or signal could not be carried out here."""
        return self._u8(13)

    @property
    def arguments(self) -> Iterator[Argument]:
        """The arguments that the policy asks for, in the policy's order, and behind them what its `data` has read, likewise."""
        return self._list(16, Argument)

    @property
    def returned(self) -> Argument | None:
        """What the function returned, if the policy asks for that."""
        return self._one(24, Argument)


class Argument(Structure):
    """An argument of a hooked function, or what an entry of the hook's `data` has read."""

    __slots__ = ()

    @property
    def type_code(self) -> int:
        """Type: 1 int, 2 uint, 3 long, 4 size, 5 string, 6 open file, 7 unreadable, 8 path, 9 program, 10 structure, 11 bytes."""
        return self._u8(4)

    @property
    def incomplete(self) -> int:
        """For a file, 1: the path could not be resolved to the root."""
        return self._u8(5)

    @property
    def mode(self) -> int:
        """For a file: `inode.i_mode`; 0 if unknown."""
        return self._u16(6)

    @property
    def integer(self) -> int:
        """Integers: the value, extended to 64 bits with its sign if it has one. Bytes: how many there were."""
        return self._u64(8)

    @property
    def text(self) -> str:
        """A string, bytes with U+FFFD for what is not UTF-8, a file's path, why the argument was unreadable, or what structure it is: its key in JSON, such as `sock_arg`."""
        return self._text(16)

    @property
    def label(self) -> str:
        """The policy's label for this argument; empty if none."""
        return self._text(24)

    @property
    def fields(self) -> Iterator[Field]:
        """The fields of a structure, named as in JSON, `a.b` for one in another; those left out there are missing. Since schema 2."""
        return self._list(32, Field)


class Loader(Structure):
    """A file that was mapped so that it can be executed: a program, its interpreter, a library."""

    __slots__ = ()

    @property
    def path(self) -> str:
        """Its path."""
        return self._text(8)

    @property
    def build_id(self) -> str:
        """The build ID of the ELF file, in lower-case hexadecimal digits; empty if it has none."""
        return self._text(16)


class Loss(Structure):
    """Records that were counted but not delivered."""

    __slots__ = ()

    @property
    def cpu(self) -> int:
        """The CPU whose records were lost."""
        return self._u16(4)

    @property
    def count(self) -> int:
        """How many."""
        return self._u64(8)


class ActionResult(Structure):
    """What became of an action."""

    __slots__ = ()

    @property
    def source_code(self) -> int:
        """Who asked: 1 a policy, 2 a plugin."""
        return self._u8(4)

    @property
    def action_code(self) -> int:
        """What was done: 1 HTTP GET, 2 HTTP POST, 3 DNS."""
        return self._u8(5)

    @property
    def outcome_code(self) -> int:
        """How it ended: 1 HTTP answer, 2 resolved, 3 suppressed, 4 failed."""
        return self._u8(6)

    @property
    def duration(self) -> int:
        """Nanoseconds from hand-over to the end."""
        return self._u64(8)

    @property
    def source(self) -> str:
        """Name of the policy, or of the plugin in the pipeline."""
        return self._text(16)

    @property
    def target(self) -> str:
        """URL or domain name."""
        return self._text(24)

    @property
    def exec_id(self) -> str:
        """`exec_id` of the process that caused it; empty if none."""
        return self._text(32)

    @property
    def http_status(self) -> int:
        """Status of an HTTP answer."""
        return self._u16(40)

    @property
    def addresses(self) -> Iterator[str]:
        """Addresses in a DNS answer, and texts, which stand in double quotes."""
        return self._texts(48)

    @property
    def reason(self) -> str:
        """Why it was suppressed or failed."""
        return self._text(56)


class Annotation(Structure):
    """A key and value that an earlier plugin attached to the event."""

    __slots__ = ()

    @property
    def plugin(self) -> str:
        """The plugin's name in the pipeline."""
        return self._text(8)

    @property
    def key(self) -> str:
        """Key, e.g. `container.id`."""
        return self._text(16)

    @property
    def value(self) -> str:
        """Value."""
        return self._text(24)


class Field(Structure):
    """A fact about a finding."""

    __slots__ = ()

    @property
    def key(self) -> str:
        """Key."""
        return self._text(8)

    @property
    def value(self) -> str:
        """Value."""
        return self._text(16)


class Alert(Structure):
    """A finding that an earlier plugin raised."""

    __slots__ = ()

    @property
    def severity_code(self) -> int:
        """0 info, 1 low, 2 medium, 3 high, 4 critical."""
        return self._u8(4)

    @property
    def plugin(self) -> str:
        """The plugin's name in the pipeline."""
        return self._text(8)

    @property
    def title(self) -> str:
        """One line for a human."""
        return self._text(16)

    @property
    def techniques(self) -> Iterator[str]:
        """MITRE ATT&CK techniques, e.g. `T1036.005`."""
        return self._texts(24)

    @property
    def fields(self) -> Iterator[Field]:
        """Further facts, from the same plugin."""
        return self._list(32, Field)

    @property
    def rule(self) -> str:
        """Which of the plugin's rules found it; empty if it is one."""
        return self._text(40)

    @property
    def key(self) -> str:
        """Alerts with the same key are about the same thing."""
        return self._text(48)


class PluginError(Structure):
    """A call into a plugin that failed."""

    __slots__ = ()

    @property
    def plugin(self) -> str:
        """The plugin's name in the pipeline."""
        return self._text(8)

    @property
    def reason(self) -> str:
        """Why."""
        return self._text(16)

    @property
    def failures(self) -> int:
        """Failures of this plugin so far."""
        return self._u64(24)
