// Code generated from docs/plugin-abi.md by plugins/bindgen. DO NOT EDIT.

package serin

import "iter"

// Schema is that of the frames that these views know.
const Schema = 5

// Kind tells what happened. A newer agent may tell others.
type Kind uint8

// The kinds that these views know.
const (
	KindProcessExec       Kind = 1
	KindProcessExit       Kind = 2
	KindProcessKprobe     Kind = 3
	KindLoss              Kind = 4
	KindActionResult      Kind = 5
	KindProcessLsm        Kind = 6
	KindAlert             Kind = 7
	KindPluginError       Kind = 8
	KindProcessTracepoint Kind = 9
	KindProcessUprobe     Kind = 10
	KindProcessUsdt       Kind = 11
	KindProcessLoader     Kind = 12
)

// String is the kind's name, as in the JSON output; `unknown` if these views don't know it.
func (kind Kind) String() string {
	switch kind {
	case KindProcessExec:
		return "process_exec"
	case KindProcessExit:
		return "process_exit"
	case KindProcessKprobe:
		return "process_kprobe"
	case KindLoss:
		return "loss"
	case KindActionResult:
		return "action_result"
	case KindProcessLsm:
		return "process_lsm"
	case KindAlert:
		return "alert"
	case KindPluginError:
		return "plugin_error"
	case KindProcessTracepoint:
		return "process_tracepoint"
	case KindProcessUprobe:
		return "process_uprobe"
	case KindProcessUsdt:
		return "process_usdt"
	case KindProcessLoader:
		return "process_loader"
	}
	return "unknown"
}

// Event: an event: the record itself.
type Event struct{ at structure }

func viewEvent(at structure) Event { return Event{at} }

// RecordLength: length of the record in bytes, its data included; a multiple of 8.
func (view Event) RecordLength() uint32 {
	return view.at.u32(4)
}

// Time: nanoseconds since the Unix epoch.
func (view Event) Time() uint64 {
	return view.at.u64(8)
}

// KindCode: kind: 1 process_exec, 2 process_exit, 3 process_kprobe, 4 loss, 5 action_result, 6 process_lsm, 7 alert, 8 plugin_error, 9 process_tracepoint, 10 process_uprobe, 11 process_usdt, 12 process_loader.
func (view Event) KindCode() uint8 {
	return view.at.u8(16)
}

// TriggerCode: for `alert`: the kind of the event that it was raised on, whose details are here too.
func (view Event) TriggerCode() uint8 {
	return view.at.u8(17)
}

// TID: thread id; 0 if none.
func (view Event) TID() uint32 {
	return view.at.u32(20)
}

// Node: the host it happened on.
func (view Event) Node() (Node, bool) {
	at, found := view.at.sharedOne(24)
	return Node{at}, found
}

// Process: the process it happened in; none for losses and action results.
func (view Event) Process() (Process, bool) {
	at, found := view.at.sharedOne(28)
	return Process{at}, found
}

// Parent: that process's parent, if known.
func (view Event) Parent() (Process, bool) {
	at, found := view.at.sharedOne(32)
	return Process{at}, found
}

// Exit: for `process_exit`: how the process ended.
func (view Event) Exit() (Exit, bool) {
	at, found := view.at.one(36)
	return Exit{at}, found
}

// Kprobe: for `process_kprobe`, `process_lsm`, `process_tracepoint`, `process_uprobe` and `process_usdt`: what the policy's hook saw and did.
func (view Event) Kprobe() (Kprobe, bool) {
	at, found := view.at.one(40)
	return Kprobe{at}, found
}

// Loss: for `loss`: what was lost.
func (view Event) Loss() (Loss, bool) {
	at, found := view.at.one(44)
	return Loss{at}, found
}

// ActionResult: for `action_result`: what became of an action.
func (view Event) ActionResult() (ActionResult, bool) {
	at, found := view.at.one(48)
	return ActionResult{at}, found
}

// Alert: for `alert`: the finding.
func (view Event) Alert() (Alert, bool) {
	at, found := view.at.sharedOne(52)
	return Alert{at}, found
}

// Annotations: what earlier plugins attached, in the order they ran.
func (view Event) Annotations() iter.Seq[Annotation] {
	return sharedList(view.at, 56, viewAnnotation)
}

// Alerts: what earlier plugins raised, in the order they ran.
func (view Event) Alerts() iter.Seq[Alert] {
	return sharedList(view.at, 64, viewAlert)
}

// PluginError: for `plugin_error`: which plugin, and why.
func (view Event) PluginError() (PluginError, bool) {
	at, found := view.at.one(72)
	return PluginError{at}, found
}

// Loader: for `process_loader`: what was mapped. Since schema 4.
func (view Event) Loader() (Loader, bool) {
	at, found := view.at.one(76)
	return Loader{at}, found
}

// Node: a host.
type Node struct{ at structure }

func viewNode(at structure) Node { return Node{at} }

// Name: its name.
func (view Node) Name() string {
	return view.at.text(8)
}

// Process: a process: one program image, from exec to the next exec or exit.
type Process struct{ at structure }

func viewProcess(at structure) Process { return Process{at} }

// PID: process id in the initial pid namespace.
func (view Process) PID() uint32 {
	return view.at.u32(4)
}

// UID: effective user id.
func (view Process) UID() uint32 {
	return view.at.u32(8)
}

// AUID: login uid; 4294967295 if unset.
func (view Process) AUID() uint32 {
	return view.at.u32(12)
}

// StartTime: nanoseconds since the Unix epoch.
func (view Process) StartTime() uint64 {
	return view.at.u64(16)
}

// CgroupID: id of the cgroup in the unified hierarchy; 0 if unknown.
func (view Process) CgroupID() uint64 {
	return view.at.u64(24)
}

// ExecID: base64 of `node:ktime:pid`: unique in a cluster.
func (view Process) ExecID() string {
	return view.at.text(32)
}

// ParentExecID: `exec_id` of the parent; empty if unknown.
func (view Process) ParentExecID() string {
	return view.at.text(40)
}

// Binary: path of the program.
func (view Process) Binary() string {
	return view.at.text(48)
}

// Cwd: working directory at exec.
func (view Process) Cwd() string {
	return view.at.text(56)
}

// Cgroup: path of the cgroup below the cgroup mount; empty if unknown.
func (view Process) Cgroup() string {
	return view.at.text(64)
}

// Arguments: `argv[1..]`.
func (view Process) Arguments() iter.Seq[string] {
	return view.at.texts(72)
}

// Flags: how the image came about: the sum of 1 execve, 2 procFS, 4 clone, 8 truncArgs, 16 rootcwd, 32 errorCWD, 64 errorFilename, 128 miss.
func (view Process) Flags() uint32 {
	return view.at.u32(80)
}

// Pod: the pod that it runs in, if it runs in a container that the agent has been told about. Since schema 5.
func (view Process) Pod() (Pod, bool) {
	at, found := view.at.one(84)
	return Pod{at}, found
}

// Pod: what the agent has been told about a container; what is empty is not known. Since schema 5.
type Pod struct{ at structure }

func viewPod(at structure) Pod { return Pod{at} }

// Namespace: the pod's namespace.
func (view Pod) Namespace() string {
	return view.at.text(8)
}

// Name: the pod's name.
func (view Pod) Name() string {
	return view.at.text(16)
}

// ContainerID: the container's id.
func (view Pod) ContainerID() string {
	return view.at.text(24)
}

// ContainerName: the container's name in the pod.
func (view Pod) ContainerName() string {
	return view.at.text(32)
}

// Image: the repository of the container's image, without tag.
func (view Pod) Image() string {
	return view.at.text(40)
}

// Labels: the pod's labels.
func (view Pod) Labels() iter.Seq[Field] {
	return list(view.at, 48, viewField)
}

// Exit: how a process ended.
type Exit struct{ at structure }

func viewExit(at structure) Exit { return Exit{at} }

// Status: exit status; 0 if killed.
func (view Exit) Status() uint8 {
	return view.at.u8(4)
}

// Signal: number of the signal that killed it; 0 if none.
func (view Exit) Signal() uint8 {
	return view.at.u8(5)
}

// Hook: a policy's hook, and what its matching selector does.
type Hook struct{ at structure }

func viewHook(at structure) Hook { return Hook{at} }

// FunctionName: the hooked function, e.g. `__x64_sys_symlinkat`.
func (view Hook) FunctionName() string {
	return view.at.text(8)
}

// PolicyName: name of the policy.
func (view Hook) PolicyName() string {
	return view.at.text(16)
}

// Message: the policy's message for this hook; empty if none.
func (view Hook) Message() string {
	return view.at.text(24)
}

// Tags: the policy's tags for this hook.
func (view Hook) Tags() iter.Seq[string] {
	return view.at.texts(32)
}

// Actions: every action that the selector took, in order, e.g. `KPROBE_ACTION_OVERRIDE`.
func (view Hook) Actions() iter.Seq[string] {
	return view.at.texts(40)
}

// ReturnActions: those that it took when the call had returned, likewise. Since schema 4.
func (view Hook) ReturnActions() iter.Seq[string] {
	return view.at.texts(48)
}

// Kprobe: what a policy's hook saw.
type Kprobe struct{ at structure }

func viewKprobe(at structure) Kprobe { return Kprobe{at} }

// Hook: the hook.
func (view Kprobe) Hook() (Hook, bool) {
	at, found := view.at.sharedOne(4)
	return Hook{at}, found
}

// Selector: index of the selector that matched.
func (view Kprobe) Selector() uint32 {
	return view.at.u32(8)
}

// FailedClosed: 1: an enforcing filter could not read an argument and failed closed.
func (view Kprobe) FailedClosed() uint8 {
	return view.at.u8(12)
}

// Unenforced: 1: the policy's Override or signal could not be carried out here.
func (view Kprobe) Unenforced() uint8 {
	return view.at.u8(13)
}

// Arguments: the arguments that the policy asks for, in the policy's order, and behind them what its `data` has read, likewise.
func (view Kprobe) Arguments() iter.Seq[Argument] {
	return list(view.at, 16, viewArgument)
}

// Returned: what the function returned, if the policy asks for that.
func (view Kprobe) Returned() (Argument, bool) {
	at, found := view.at.one(24)
	return Argument{at}, found
}

// Argument: an argument of a hooked function, or what an entry of the hook's `data` has read.
type Argument struct{ at structure }

func viewArgument(at structure) Argument { return Argument{at} }

// TypeCode: type: 1 int, 2 uint, 3 long, 4 size, 5 string, 6 open file, 7 unreadable, 8 path, 9 program, 10 structure, 11 bytes.
func (view Argument) TypeCode() uint8 {
	return view.at.u8(4)
}

// Incomplete: for a file, 1: the path could not be resolved to the root.
func (view Argument) Incomplete() uint8 {
	return view.at.u8(5)
}

// Mode: for a file: `inode.i_mode`; 0 if unknown.
func (view Argument) Mode() uint16 {
	return view.at.u16(6)
}

// Integer: integers: the value, extended to 64 bits with its sign if it has one. Bytes: how many there were.
func (view Argument) Integer() uint64 {
	return view.at.u64(8)
}

// Text: a string, bytes with U+FFFD for what is not UTF-8, a file's path, why the argument was unreadable, or what structure it is: its key in JSON, such as `sock_arg`.
func (view Argument) Text() string {
	return view.at.text(16)
}

// Label: the policy's label for this argument; empty if none.
func (view Argument) Label() string {
	return view.at.text(24)
}

// Fields: the fields of a structure, named as in JSON, `a.b` for one in another; those left out there are missing. Since schema 2.
func (view Argument) Fields() iter.Seq[Field] {
	return list(view.at, 32, viewField)
}

// Loader: a file that was mapped so that it can be executed: a program, its interpreter, a library.
type Loader struct{ at structure }

func viewLoader(at structure) Loader { return Loader{at} }

// Path: its path.
func (view Loader) Path() string {
	return view.at.text(8)
}

// BuildID: the build ID of the ELF file, in lower-case hexadecimal digits; empty if it has none.
func (view Loader) BuildID() string {
	return view.at.text(16)
}

// Loss: records that were counted but not delivered.
type Loss struct{ at structure }

func viewLoss(at structure) Loss { return Loss{at} }

// CPU: the CPU whose records were lost.
func (view Loss) CPU() uint16 {
	return view.at.u16(4)
}

// Count: how many.
func (view Loss) Count() uint64 {
	return view.at.u64(8)
}

// ActionResult: what became of an action.
type ActionResult struct{ at structure }

func viewActionResult(at structure) ActionResult { return ActionResult{at} }

// SourceCode: who asked: 1 a policy, 2 a plugin.
func (view ActionResult) SourceCode() uint8 {
	return view.at.u8(4)
}

// ActionCode: what was done: 1 HTTP GET, 2 HTTP POST, 3 DNS.
func (view ActionResult) ActionCode() uint8 {
	return view.at.u8(5)
}

// OutcomeCode: how it ended: 1 HTTP answer, 2 resolved, 3 suppressed, 4 failed.
func (view ActionResult) OutcomeCode() uint8 {
	return view.at.u8(6)
}

// Duration: nanoseconds from hand-over to the end.
func (view ActionResult) Duration() uint64 {
	return view.at.u64(8)
}

// Source: name of the policy, or of the plugin in the pipeline.
func (view ActionResult) Source() string {
	return view.at.text(16)
}

// Target: URL or domain name.
func (view ActionResult) Target() string {
	return view.at.text(24)
}

// ExecID: `exec_id` of the process that caused it; empty if none.
func (view ActionResult) ExecID() string {
	return view.at.text(32)
}

// HTTPStatus: status of an HTTP answer.
func (view ActionResult) HTTPStatus() uint16 {
	return view.at.u16(40)
}

// Addresses: addresses in a DNS answer, and texts, which stand in double quotes.
func (view ActionResult) Addresses() iter.Seq[string] {
	return view.at.texts(48)
}

// Reason: why it was suppressed or failed.
func (view ActionResult) Reason() string {
	return view.at.text(56)
}

// Annotation: a key and value that an earlier plugin attached to the event.
type Annotation struct{ at structure }

func viewAnnotation(at structure) Annotation { return Annotation{at} }

// Plugin: the plugin's name in the pipeline.
func (view Annotation) Plugin() string {
	return view.at.text(8)
}

// Key: key, e.g. `container.id`.
func (view Annotation) Key() string {
	return view.at.text(16)
}

// Value: value.
func (view Annotation) Value() string {
	return view.at.text(24)
}

// Field: a fact about a finding.
type Field struct{ at structure }

func viewField(at structure) Field { return Field{at} }

// Key: key.
func (view Field) Key() string {
	return view.at.text(8)
}

// Value: value.
func (view Field) Value() string {
	return view.at.text(16)
}

// Alert: a finding that an earlier plugin raised.
type Alert struct{ at structure }

func viewAlert(at structure) Alert { return Alert{at} }

// SeverityCode: 0 info, 1 low, 2 medium, 3 high, 4 critical.
func (view Alert) SeverityCode() uint8 {
	return view.at.u8(4)
}

// Plugin: the plugin's name in the pipeline.
func (view Alert) Plugin() string {
	return view.at.text(8)
}

// Title: one line for a human.
func (view Alert) Title() string {
	return view.at.text(16)
}

// Techniques: MITRE ATT&CK techniques, e.g. `T1036.005`.
func (view Alert) Techniques() iter.Seq[string] {
	return view.at.texts(24)
}

// Fields: further facts, from the same plugin.
func (view Alert) Fields() iter.Seq[Field] {
	return list(view.at, 32, viewField)
}

// Rule: which of the plugin's rules found it; empty if it is one.
func (view Alert) Rule() string {
	return view.at.text(40)
}

// Key: alerts with the same key are about the same thing.
func (view Alert) Key() string {
	return view.at.text(48)
}

// PluginError: a call into a plugin that failed.
type PluginError struct{ at structure }

func viewPluginError(at structure) PluginError { return PluginError{at} }

// Plugin: the plugin's name in the pipeline.
func (view PluginError) Plugin() string {
	return view.at.text(8)
}

// Reason: why.
func (view PluginError) Reason() string {
	return view.at.text(16)
}

// Failures: failures of this plugin so far.
func (view PluginError) Failures() uint64 {
	return view.at.u64(24)
}
