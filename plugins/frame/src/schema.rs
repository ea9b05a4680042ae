//! What a record says of its event. Fields are only ever appended: an offset,
//! once given, is never reused, and a reader finds zero or nothing in fields
//! that are newer than the writer.

use crate::layout::structure;

pub use crate::layout::Field;

structure! {
    /// An event: the record itself.
    EventView, EventWriter: 80 {
        /// Length of the record in bytes, its data included; a multiple of 8.
        4 record_length: u32
        /// Nanoseconds since the Unix epoch.
        8 time: u64
        /// [`Kind`](crate::Kind) as a byte; see [`EventView::kind`].
        16 kind_code: u8
        /// For `alert`: the kind of the event that it was raised on, whose details are here too; see
        /// [`EventView::trigger`].
        17 trigger_code: u8
        /// Thread id; 0 if none.
        20 tid: u32
        /// The host it happened on; see [`EventView::node_name`].
        24 node: {shared NodeView}
        /// The process it happened in; none for losses and action results.
        28 process: {shared ProcessView}
        /// That process's parent, if known.
        32 parent: {shared ProcessView}
        /// For `process_exit`: how the process ended.
        36 exit: (ExitView, ExitWriter)
        /// For [`Kind::HOOKS`](crate::Kind::HOOKS): what the policy's hook saw and did.
        40 kprobe: (KprobeView, KprobeWriter)
        /// For `loss`: what was lost.
        44 loss: (LossView, LossWriter)
        /// For `action_result`: what became of an action.
        48 action_result: (ActionResultView, ActionResultWriter)
        /// For `alert`: the finding.
        52 alert: {shared AlertView}
        /// What earlier plugins attached, in the order they ran.
        56 annotations: {shared [AnnotationView]}
        /// What earlier plugins raised, in the order they ran.
        64 alerts: {shared [AlertView]}
        /// For `plugin_error`: which plugin, and why.
        72 plugin_error: (PluginErrorView, PluginErrorWriter)
        /// For `process_loader`: what was mapped. Since schema 4.
        76 loader: (LoaderView, LoaderWriter)
    }
}

structure! {
    /// A host.
    NodeView, NodeWriter: 16 {
        /// Its name.
        8 name: text
    }
}

structure! {
    /// A process: one program image, from exec to the next exec or exit.
    ProcessView, ProcessWriter: 88 {
        /// Process id in the initial pid namespace.
        4 pid: u32
        /// Effective user id.
        8 uid: u32
        /// Login uid; 4294967295 if unset.
        12 auid: u32
        /// Nanoseconds since the Unix epoch.
        16 start_time: u64
        /// Id of the cgroup in the unified hierarchy; 0 if unknown.
        24 cgroup_id: u64
        /// base64 of `node:ktime:pid`: unique in a cluster.
        32 exec_id: text
        /// `exec_id` of the parent; empty if unknown.
        40 parent_exec_id: text
        /// Path of the program.
        48 binary: text
        /// Working directory at exec.
        56 cwd: text
        /// Path of the cgroup below the cgroup mount; empty if unknown.
        64 cgroup: text
        /// `argv[1..]`.
        72 arguments: texts
        /// How the image came about: the sum of 1 execve, 2 procFS, 4 clone, 8 truncArgs,
        /// 16 rootcwd, 32 errorCWD, 64 errorFilename, 128 miss.
        80 flags: u32
        /// The pod that it runs in, if it runs in a container that the agent has been told about. Since schema 5.
        84 pod: (PodView, PodWriter)
    }
}

structure! {
    /// What the agent has been told about a container; what is empty is not known. Since schema 5.
    PodView, PodWriter: 56 {
        /// The pod's namespace.
        8 namespace: text
        /// The pod's name.
        16 name: text
        /// The container's id.
        24 container_id: text
        /// The container's name in the pod.
        32 container_name: text
        /// The repository of the container's image, without tag.
        40 image: text
        /// The pod's labels.
        48 labels: [FieldView, FieldWriter]
    }
}

structure! {
    /// How a process ended.
    ExitView, ExitWriter: 8 {
        /// Exit status; 0 if killed.
        4 status: u8
        /// Number of the signal that killed it; 0 if none.
        5 signal: u8
    }
}

structure! {
    /// A policy's hook, and what its matching selector does.
    HookView, HookWriter: 56 {
        /// The hooked function, e.g. `__x64_sys_symlinkat`, or LSM hook, e.g. `file_open`.
        8 function_name: text
        /// Name of the policy.
        16 policy_name: text
        /// The policy's message for this hook; empty if none.
        24 message: text
        /// The policy's tags for this hook.
        32 tags: texts
        /// Every action that the selector took, in order, e.g. `KPROBE_ACTION_OVERRIDE`.
        40 actions: texts
        /// Those that it took when the call had returned, likewise. Since schema 4.
        48 return_actions: texts
    }
}

structure! {
    /// What a policy's hook saw.
    KprobeView, KprobeWriter: 32 {
        /// The hook; see [`KprobeView::policy_name`] and [`KprobeView::function_name`].
        4 hook: {shared HookView}
        /// Index of the selector that matched.
        8 selector: u32
        /// 1: an enforcing filter could not read an argument and failed closed.
        12 failed_closed: u8
        /// 1: the policy's Override or signal could not be carried out here.
        13 unenforced: u8
        /// The arguments that the policy asks for, in the policy's order, and behind them what its
        /// `data` has read, likewise.
        16 arguments: [ArgumentView, ArgumentWriter]
        /// What the function returned, if the policy asks for that.
        24 returned: (ArgumentView, ArgumentWriter)
    }
}

structure! {
    /// An argument of a hooked function, or what an entry of the hook's `data` has read; see [`ArgumentView::value`].
    ArgumentView, ArgumentWriter: 40 {
        /// Type: 1 int, 2 uint, 3 long, 4 size, 5 string, 6 open file, 7 unreadable, 8 path, 9 program, 10 structure, 11 bytes.
        4 type_code: u8
        /// For a file, 1: the path could not be resolved to the root.
        5 incomplete: u8
        /// For a file: `inode.i_mode`; 0 if unknown.
        6 mode: u16
        /// Integers: the value, extended to 64 bits with its sign if it has one. Bytes: how many there were.
        8 integer: u64
        /// A string, bytes with U+FFFD for what is not UTF-8, a file's path, why the argument was unreadable, or what structure it is: its key in JSON.
        16 text: text
        /// The policy's label for this argument; empty if none.
        24 label: text
        /// The fields of a structure, named as in JSON, `a.b` for one in another; those left out there are missing. Since schema 2.
        32 fields: [FieldView, FieldWriter]
    }
}

structure! {
    /// A file that was mapped so that it can be executed: a program, its interpreter, a library.
    LoaderView, LoaderWriter: 24 {
        /// Its path.
        8 path: text
        /// The build ID of the ELF file, in lower-case hexadecimal digits; empty if it has none.
        16 build_id: text
    }
}

structure! {
    /// Records that were counted but not delivered.
    LossView, LossWriter: 16 {
        /// The CPU whose records were lost.
        4 cpu: u16
        /// How many.
        8 count: u64
    }
}

structure! {
    /// What became of an action.
    ActionResultView, ActionResultWriter: 64 {
        /// Who asked: 1 a policy, 2 a plugin.
        4 source_code: u8
        /// What was done: 1 HTTP GET, 2 HTTP POST, 3 DNS.
        5 action_code: u8
        /// How it ended: 1 HTTP answer, 2 resolved, 3 suppressed, 4 failed.
        6 outcome_code: u8
        /// Nanoseconds from hand-over to the end.
        8 duration: u64
        /// Name of the policy, or of the plugin in the pipeline.
        16 source: text
        /// URL or domain name.
        24 target: text
        /// `exec_id` of the process that caused it; empty if none.
        32 exec_id: text
        /// Status of an HTTP answer.
        40 http_status: u16
        /// Addresses in a DNS answer, and texts, which stand in double quotes.
        48 addresses: texts
        /// Why it was suppressed or failed.
        56 reason: text
    }
}

structure! {
    /// A key and value that an earlier plugin attached to the event.
    AnnotationView, AnnotationWriter: 32 {
        /// The plugin's name in the pipeline.
        8 plugin: text
        /// Key, e.g. `container.id`.
        16 key: text
        /// Value.
        24 value: text
    }
}

structure! {
    /// A fact about a finding.
    FieldView, FieldWriter: 24 {
        /// Key.
        8 key: text
        /// Value.
        16 value: text
    }
}

structure! {
    /// A call into a plugin that failed.
    PluginErrorView, PluginErrorWriter: 32 {
        /// The plugin's name in the pipeline.
        8 plugin: text
        /// Why.
        16 reason: text
        /// Failures of this plugin so far.
        24 failures: u64
    }
}

structure! {
    /// A finding that an earlier plugin raised.
    AlertView, AlertWriter: 56 {
        /// 0 info, 1 low, 2 medium, 3 high, 4 critical.
        4 severity_code: u8
        /// The plugin's name in the pipeline.
        8 plugin: text
        /// One line for a human.
        16 title: text
        /// MITRE ATT&CK techniques, e.g. `T1036.005`.
        24 techniques: texts
        /// Further facts, from the same plugin.
        32 fields: [FieldView, FieldWriter]
        /// Which of the plugin's rules found it; empty if it is one.
        40 rule: text
        /// Alerts with the same key are about the same thing.
        48 key: text
    }
}

impl<'a> EventView<'a> {
    /// What happened.
    pub fn kind(&self) -> crate::Kind {
        crate::Kind::from_code(self.kind_code())
    }

    /// For an alert: what it was raised on happened.
    pub fn trigger(&self) -> crate::Kind {
        crate::Kind::from_code(self.trigger_code())
    }

    /// Name of the host.
    pub fn node_name(&self) -> &'a str {
        self.node().map(|node| node.name()).unwrap_or_default()
    }
}

impl<'a> KprobeView<'a> {
    /// Name of the policy.
    pub fn policy_name(&self) -> &'a str {
        self.hook().map(|hook| hook.policy_name()).unwrap_or_default()
    }

    /// The hooked function, e.g. `__x64_sys_symlinkat`.
    pub fn function_name(&self) -> &'a str {
        self.hook().map(|hook| hook.function_name()).unwrap_or_default()
    }
}
