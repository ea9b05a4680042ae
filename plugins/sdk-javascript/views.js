// Generated from docs/plugin-abi.md by plugins/bindgen: do not edit.
import { Structure } from "./frame.js";

/** The schema of frames that these views know. */
export const SCHEMA = 5;

/** Kinds of events by their code. */
export const KINDS = {
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
};

/** An event: the record itself. */
export class Event extends Structure {
  /** Length of the record in bytes, its data included; a multiple of 8. */
  get recordLength() {
    return this.readU32(4);
  }
  /** Nanoseconds since the Unix epoch. */
  get time() {
    return this.readU64(8);
  }
  /** Kind: 1 process_exec, 2 process_exit, 3 process_kprobe, 4 loss, 5 action_result, 6 process_lsm, 7 alert, 8 plugin_error, 9 process_tracepoint, 10 process_uprobe, 11 process_usdt, 12 process_loader. */
  get kindCode() {
    return this.readU8(16);
  }
  /** For `alert`: the kind of the event that it was raised on, whose details are here too. */
  get triggerCode() {
    return this.readU8(17);
  }
  /** Thread id; 0 if none. */
  get tid() {
    return this.readU32(20);
  }
  /** The host it happened on. */
  get node() {
    return this.readShared(24, Node);
  }
  /** The process it happened in; none for losses and action results. */
  get process() {
    return this.readShared(28, Process);
  }
  /** That process's parent, if known. */
  get parent() {
    return this.readShared(32, Process);
  }
  /** For `process_exit`: how the process ended. */
  get exit() {
    return this.readOne(36, Exit);
  }
  /** For `process_kprobe`, `process_lsm`, `process_tracepoint`, `process_uprobe` and `process_usdt`: what the policy's hook saw and did. */
  get kprobe() {
    return this.readOne(40, Kprobe);
  }
  /** For `loss`: what was lost. */
  get loss() {
    return this.readOne(44, Loss);
  }
  /** For `action_result`: what became of an action. */
  get actionResult() {
    return this.readOne(48, ActionResult);
  }
  /** For `alert`: the finding. */
  get alert() {
    return this.readShared(52, Alert);
  }
  /** What earlier plugins attached, in the order they ran. */
  get annotations() {
    return this.readSharedList(56, Annotation);
  }
  /** What earlier plugins raised, in the order they ran. */
  get alerts() {
    return this.readSharedList(64, Alert);
  }
  /** For `plugin_error`: which plugin, and why. */
  get pluginError() {
    return this.readOne(72, PluginError);
  }
  /** For `process_loader`: what was mapped. Since schema 4. */
  get loader() {
    return this.readOne(76, Loader);
  }
}

/** A host. */
export class Node extends Structure {
  /** Its name. */
  get name() {
    return this.readText(8);
  }
}

/** A process: one program image, from exec to the next exec or exit. */
export class Process extends Structure {
  /** Process id in the initial pid namespace. */
  get pid() {
    return this.readU32(4);
  }
  /** Effective user id. */
  get uid() {
    return this.readU32(8);
  }
  /** Login uid; 4294967295 if unset. */
  get auid() {
    return this.readU32(12);
  }
  /** Nanoseconds since the Unix epoch. */
  get startTime() {
    return this.readU64(16);
  }
  /** Id of the cgroup in the unified hierarchy; 0 if unknown. */
  get cgroupId() {
    return this.readU64(24);
  }
  /** base64 of `node:ktime:pid`: unique in a cluster. */
  get execId() {
    return this.readText(32);
  }
  /** `exec_id` of the parent; empty if unknown. */
  get parentExecId() {
    return this.readText(40);
  }
  /** Path of the program. */
  get binary() {
    return this.readText(48);
  }
  /** Working directory at exec. */
  get cwd() {
    return this.readText(56);
  }
  /** Path of the cgroup below the cgroup mount; empty if unknown. */
  get cgroup() {
    return this.readText(64);
  }
  /** `argv[1..]`. */
  get arguments() {
    return this.readTexts(72);
  }
  /** How the image came about: the sum of 1 execve, 2 procFS, 4 clone, 8 truncArgs, 16 rootcwd, 32 errorCWD, 64 errorFilename, 128 miss. */
  get flags() {
    return this.readU32(80);
  }
  /** The pod that it runs in, if it runs in a container that the agent has been told about. Since schema 5. */
  get pod() {
    return this.readOne(84, Pod);
  }
}

/** What the agent has been told about a container; what is empty is not known. Since schema 5. */
export class Pod extends Structure {
  /** The pod's namespace. */
  get namespace() {
    return this.readText(8);
  }
  /** The pod's name. */
  get name() {
    return this.readText(16);
  }
  /** The container's id. */
  get containerId() {
    return this.readText(24);
  }
  /** The container's name in the pod. */
  get containerName() {
    return this.readText(32);
  }
  /** The repository of the container's image, without tag. */
  get image() {
    return this.readText(40);
  }
  /** The pod's labels. */
  get labels() {
    return this.readList(48, Field);
  }
}

/** How a process ended. */
export class Exit extends Structure {
  /** Exit status; 0 if killed. */
  get status() {
    return this.readU8(4);
  }
  /** Number of the signal that killed it; 0 if none. */
  get signal() {
    return this.readU8(5);
  }
}

/** A policy's hook, and what its matching selector does. */
export class Hook extends Structure {
  /** The hooked function, e.g. `__x64_sys_symlinkat`. */
  get functionName() {
    return this.readText(8);
  }
  /** Name of the policy. */
  get policyName() {
    return this.readText(16);
  }
  /** The policy's message for this hook; empty if none. */
  get message() {
    return this.readText(24);
  }
  /** The policy's tags for this hook. */
  get tags() {
    return this.readTexts(32);
  }
  /** Every action that the selector took, in order, e.g. `KPROBE_ACTION_OVERRIDE`. */
  get actions() {
    return this.readTexts(40);
  }
  /** Those that it took when the call had returned, likewise. Since schema 4. */
  get returnActions() {
    return this.readTexts(48);
  }
}

/** What a policy's hook saw. */
export class Kprobe extends Structure {
  /** The hook. */
  get hook() {
    return this.readShared(4, Hook);
  }
  /** Index of the selector that matched. */
  get selector() {
    return this.readU32(8);
  }
  /** 1: an enforcing filter could not read an argument and failed closed. */
  get failedClosed() {
    return this.readU8(12);
  }
  /** 1: the policy's Override or signal could not be carried out here. */
  get unenforced() {
    return this.readU8(13);
  }
  /** The arguments that the policy asks for, in the policy's order, and behind them what its `data` has read, likewise. */
  get arguments() {
    return this.readList(16, Argument);
  }
  /** What the function returned, if the policy asks for that. */
  get returned() {
    return this.readOne(24, Argument);
  }
}

/** An argument of a hooked function, or what an entry of the hook's `data` has read. */
export class Argument extends Structure {
  /** Type: 1 int, 2 uint, 3 long, 4 size, 5 string, 6 open file, 7 unreadable, 8 path, 9 program, 10 structure, 11 bytes. */
  get typeCode() {
    return this.readU8(4);
  }
  /** For a file, 1: the path could not be resolved to the root. */
  get incomplete() {
    return this.readU8(5);
  }
  /** For a file: `inode.i_mode`; 0 if unknown. */
  get mode() {
    return this.readU16(6);
  }
  /** Integers: the value, extended to 64 bits with its sign if it has one. Bytes: how many there were. */
  get integer() {
    return this.readU64(8);
  }
  /** A string, bytes with U+FFFD for what is not UTF-8, a file's path, why the argument was unreadable, or what structure it is: its key in JSON, such as `sock_arg`. */
  get text() {
    return this.readText(16);
  }
  /** The policy's label for this argument; empty if none. */
  get label() {
    return this.readText(24);
  }
  /** The fields of a structure, named as in JSON, `a.b` for one in another; those left out there are missing. Since schema 2. */
  get fields() {
    return this.readList(32, Field);
  }
}

/** A file that was mapped so that it can be executed: a program, its interpreter, a library. */
export class Loader extends Structure {
  /** Its path. */
  get path() {
    return this.readText(8);
  }
  /** The build ID of the ELF file, in lower-case hexadecimal digits; empty if it has none. */
  get buildId() {
    return this.readText(16);
  }
}

/** Records that were counted but not delivered. */
export class Loss extends Structure {
  /** The CPU whose records were lost. */
  get cpu() {
    return this.readU16(4);
  }
  /** How many. */
  get count() {
    return this.readU64(8);
  }
}

/** What became of an action. */
export class ActionResult extends Structure {
  /** Who asked: 1 a policy, 2 a plugin. */
  get sourceCode() {
    return this.readU8(4);
  }
  /** What was done: 1 HTTP GET, 2 HTTP POST, 3 DNS. */
  get actionCode() {
    return this.readU8(5);
  }
  /** How it ended: 1 HTTP answer, 2 resolved, 3 suppressed, 4 failed. */
  get outcomeCode() {
    return this.readU8(6);
  }
  /** Nanoseconds from hand-over to the end. */
  get duration() {
    return this.readU64(8);
  }
  /** Name of the policy, or of the plugin in the pipeline. */
  get source() {
    return this.readText(16);
  }
  /** URL or domain name. */
  get target() {
    return this.readText(24);
  }
  /** `exec_id` of the process that caused it; empty if none. */
  get execId() {
    return this.readText(32);
  }
  /** Status of an HTTP answer. */
  get httpStatus() {
    return this.readU16(40);
  }
  /** Addresses in a DNS answer, and texts, which stand in double quotes. */
  get addresses() {
    return this.readTexts(48);
  }
  /** Why it was suppressed or failed. */
  get reason() {
    return this.readText(56);
  }
}

/** A key and value that an earlier plugin attached to the event. */
export class Annotation extends Structure {
  /** The plugin's name in the pipeline. */
  get plugin() {
    return this.readText(8);
  }
  /** Key, e.g. `container.id`. */
  get key() {
    return this.readText(16);
  }
  /** Value. */
  get value() {
    return this.readText(24);
  }
}

/** A fact about a finding. */
export class Field extends Structure {
  /** Key. */
  get key() {
    return this.readText(8);
  }
  /** Value. */
  get value() {
    return this.readText(16);
  }
}

/** A finding that an earlier plugin raised. */
export class Alert extends Structure {
  /** 0 info, 1 low, 2 medium, 3 high, 4 critical. */
  get severityCode() {
    return this.readU8(4);
  }
  /** The plugin's name in the pipeline. */
  get plugin() {
    return this.readText(8);
  }
  /** One line for a human. */
  get title() {
    return this.readText(16);
  }
  /** MITRE ATT&CK techniques, e.g. `T1036.005`. */
  get techniques() {
    return this.readTexts(24);
  }
  /** Further facts, from the same plugin. */
  get fields() {
    return this.readList(32, Field);
  }
  /** Which of the plugin's rules found it; empty if it is one. */
  get rule() {
    return this.readText(40);
  }
  /** Alerts with the same key are about the same thing. */
  get key() {
    return this.readText(48);
  }
}

/** A call into a plugin that failed. */
export class PluginError extends Structure {
  /** The plugin's name in the pipeline. */
  get plugin() {
    return this.readText(8);
  }
  /** Why. */
  get reason() {
    return this.readText(16);
  }
  /** Failures of this plugin so far. */
  get failures() {
    return this.readU64(24);
  }
}
