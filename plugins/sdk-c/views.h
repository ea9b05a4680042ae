/* Generated from docs/plugin-abi.md by plugins/bindgen: do not edit. */
#ifndef SERIN_VIEWS_H
#define SERIN_VIEWS_H

#include "frame.h"

/* The schema of frames that these views know. */
#define SERIN_SCHEMA 5

/* Kinds of events, as `serin_event_kind_code` tells them. A newer agent may tell others. */
typedef enum {
  SERIN_PROCESS_EXEC = 1,
  SERIN_PROCESS_EXIT = 2,
  SERIN_PROCESS_KPROBE = 3,
  SERIN_LOSS = 4,
  SERIN_ACTION_RESULT = 5,
  SERIN_PROCESS_LSM = 6,
  SERIN_ALERT = 7,
  SERIN_PLUGIN_ERROR = 8,
  SERIN_PROCESS_TRACEPOINT = 9,
  SERIN_PROCESS_UPROBE = 10,
  SERIN_PROCESS_USDT = 11,
  SERIN_PROCESS_LOADER = 12,
} serin_kind;

/* Their names, as in the JSON output. */
static inline const char *serin_kind_name(serin_kind kind) {
  switch (kind) {
  case SERIN_PROCESS_EXEC:
    return "process_exec";
  case SERIN_PROCESS_EXIT:
    return "process_exit";
  case SERIN_PROCESS_KPROBE:
    return "process_kprobe";
  case SERIN_LOSS:
    return "loss";
  case SERIN_ACTION_RESULT:
    return "action_result";
  case SERIN_PROCESS_LSM:
    return "process_lsm";
  case SERIN_ALERT:
    return "alert";
  case SERIN_PLUGIN_ERROR:
    return "plugin_error";
  case SERIN_PROCESS_TRACEPOINT:
    return "process_tracepoint";
  case SERIN_PROCESS_UPROBE:
    return "process_uprobe";
  case SERIN_PROCESS_USDT:
    return "process_usdt";
  case SERIN_PROCESS_LOADER:
    return "process_loader";
  }
  return "unknown";
}

/* An event: the record itself. */
typedef struct { serin_structure at; } serin_event;

/* A host. */
typedef struct { serin_structure at; } serin_node;

/* A process: one program image, from exec to the next exec or exit. */
typedef struct { serin_structure at; } serin_process;

/* What the agent has been told about a container; what is empty is not known. Since schema 5. */
typedef struct { serin_structure at; } serin_pod;

/* How a process ended. */
typedef struct { serin_structure at; } serin_exit;

/* A policy's hook, and what its matching selector does. */
typedef struct { serin_structure at; } serin_hook;

/* What a policy's hook saw. */
typedef struct { serin_structure at; } serin_kprobe;

/* An argument of a hooked function, or what an entry of the hook's `data` has read. */
typedef struct { serin_structure at; } serin_argument;

/* A file that was mapped so that it can be executed: a program, its interpreter, a library. */
typedef struct { serin_structure at; } serin_loader;

/* Records that were counted but not delivered. */
typedef struct { serin_structure at; } serin_loss;

/* What became of an action. */
typedef struct { serin_structure at; } serin_action_result;

/* A key and value that an earlier plugin attached to the event. */
typedef struct { serin_structure at; } serin_annotation;

/* A fact about a finding. */
typedef struct { serin_structure at; } serin_field;

/* A finding that an earlier plugin raised. */
typedef struct { serin_structure at; } serin_alert;

/* A call into a plugin that failed. */
typedef struct { serin_structure at; } serin_plugin_error;

/* Length of the record in bytes, its data included; a multiple of 8. */
static inline uint32_t serin_event_record_length(serin_event event) {
  return serin_u32(event.at, 4);
}

/* Nanoseconds since the Unix epoch. */
static inline uint64_t serin_event_time(serin_event event) {
  return serin_u64(event.at, 8);
}

/* Kind: 1 process_exec, 2 process_exit, 3 process_kprobe, 4 loss, 5 action_result, 6 process_lsm, 7 alert, 8 plugin_error, 9 process_tracepoint, 10 process_uprobe, 11 process_usdt, 12 process_loader. */
static inline uint8_t serin_event_kind_code(serin_event event) {
  return serin_u8(event.at, 16);
}

/* For `alert`: the kind of the event that it was raised on, whose details are here too. */
static inline uint8_t serin_event_trigger_code(serin_event event) {
  return serin_u8(event.at, 17);
}

/* Thread id; 0 if none. */
static inline uint32_t serin_event_tid(serin_event event) {
  return serin_u32(event.at, 20);
}

/* The host it happened on. */
static inline bool serin_event_node(serin_event event, serin_node *found) {
  return serin_shared_at(event.at, 24, &found->at);
}

/* The process it happened in; none for losses and action results. */
static inline bool serin_event_process(serin_event event, serin_process *found) {
  return serin_shared_at(event.at, 28, &found->at);
}

/* That process's parent, if known. */
static inline bool serin_event_parent(serin_event event, serin_process *found) {
  return serin_shared_at(event.at, 32, &found->at);
}

/* For `process_exit`: how the process ended. */
static inline bool serin_event_exit(serin_event event, serin_exit *found) {
  return serin_one_at(event.at, 36, &found->at);
}

/* For `process_kprobe`, `process_lsm`, `process_tracepoint`, `process_uprobe` and `process_usdt`: what the policy's hook saw and did. */
static inline bool serin_event_kprobe(serin_event event, serin_kprobe *found) {
  return serin_one_at(event.at, 40, &found->at);
}

/* For `loss`: what was lost. */
static inline bool serin_event_loss(serin_event event, serin_loss *found) {
  return serin_one_at(event.at, 44, &found->at);
}

/* For `action_result`: what became of an action. */
static inline bool serin_event_action_result(serin_event event, serin_action_result *found) {
  return serin_one_at(event.at, 48, &found->at);
}

/* For `alert`: the finding. */
static inline bool serin_event_alert(serin_event event, serin_alert *found) {
  return serin_shared_at(event.at, 52, &found->at);
}

/* What earlier plugins attached, in the order they ran. */
static inline serin_list serin_event_annotations(serin_event event) {
  return serin_shared_list_at(event.at, 56);
}

/* What earlier plugins raised, in the order they ran. */
static inline serin_list serin_event_alerts(serin_event event) {
  return serin_shared_list_at(event.at, 64);
}

/* For `plugin_error`: which plugin, and why. */
static inline bool serin_event_plugin_error(serin_event event, serin_plugin_error *found) {
  return serin_one_at(event.at, 72, &found->at);
}

/* For `process_loader`: what was mapped. Since schema 4. */
static inline bool serin_event_loader(serin_event event, serin_loader *found) {
  return serin_one_at(event.at, 76, &found->at);
}

/* Its name. */
static inline serin_text serin_node_name(serin_node node) {
  return serin_text_at(node.at, 8);
}

/* Process id in the initial pid namespace. */
static inline uint32_t serin_process_pid(serin_process process) {
  return serin_u32(process.at, 4);
}

/* Effective user id. */
static inline uint32_t serin_process_uid(serin_process process) {
  return serin_u32(process.at, 8);
}

/* Login uid; 4294967295 if unset. */
static inline uint32_t serin_process_auid(serin_process process) {
  return serin_u32(process.at, 12);
}

/* Nanoseconds since the Unix epoch. */
static inline uint64_t serin_process_start_time(serin_process process) {
  return serin_u64(process.at, 16);
}

/* Id of the cgroup in the unified hierarchy; 0 if unknown. */
static inline uint64_t serin_process_cgroup_id(serin_process process) {
  return serin_u64(process.at, 24);
}

/* base64 of `node:ktime:pid`: unique in a cluster. */
static inline serin_text serin_process_exec_id(serin_process process) {
  return serin_text_at(process.at, 32);
}

/* `exec_id` of the parent; empty if unknown. */
static inline serin_text serin_process_parent_exec_id(serin_process process) {
  return serin_text_at(process.at, 40);
}

/* Path of the program. */
static inline serin_text serin_process_binary(serin_process process) {
  return serin_text_at(process.at, 48);
}

/* Working directory at exec. */
static inline serin_text serin_process_cwd(serin_process process) {
  return serin_text_at(process.at, 56);
}

/* Path of the cgroup below the cgroup mount; empty if unknown. */
static inline serin_text serin_process_cgroup(serin_process process) {
  return serin_text_at(process.at, 64);
}

/* `argv[1..]`. */
static inline serin_texts serin_process_arguments(serin_process process) {
  return serin_texts_at(process.at, 72);
}

/* How the image came about: the sum of 1 execve, 2 procFS, 4 clone, 8 truncArgs, 16 rootcwd, 32 errorCWD, 64 errorFilename, 128 miss. */
static inline uint32_t serin_process_flags(serin_process process) {
  return serin_u32(process.at, 80);
}

/* The pod that it runs in, if it runs in a container that the agent has been told about. Since schema 5. */
static inline bool serin_process_pod(serin_process process, serin_pod *found) {
  return serin_one_at(process.at, 84, &found->at);
}

/* The pod's namespace. */
static inline serin_text serin_pod_namespace(serin_pod pod) {
  return serin_text_at(pod.at, 8);
}

/* The pod's name. */
static inline serin_text serin_pod_name(serin_pod pod) {
  return serin_text_at(pod.at, 16);
}

/* The container's id. */
static inline serin_text serin_pod_container_id(serin_pod pod) {
  return serin_text_at(pod.at, 24);
}

/* The container's name in the pod. */
static inline serin_text serin_pod_container_name(serin_pod pod) {
  return serin_text_at(pod.at, 32);
}

/* The repository of the container's image, without tag. */
static inline serin_text serin_pod_image(serin_pod pod) {
  return serin_text_at(pod.at, 40);
}

/* The pod's labels. */
static inline serin_list serin_pod_labels(serin_pod pod) {
  return serin_list_at(pod.at, 48);
}

/* Exit status; 0 if killed. */
static inline uint8_t serin_exit_status(serin_exit exit) {
  return serin_u8(exit.at, 4);
}

/* Number of the signal that killed it; 0 if none. */
static inline uint8_t serin_exit_signal(serin_exit exit) {
  return serin_u8(exit.at, 5);
}

/* The hooked function, e.g. `__x64_sys_symlinkat`. */
static inline serin_text serin_hook_function_name(serin_hook hook) {
  return serin_text_at(hook.at, 8);
}

/* Name of the policy. */
static inline serin_text serin_hook_policy_name(serin_hook hook) {
  return serin_text_at(hook.at, 16);
}

/* The policy's message for this hook; empty if none. */
static inline serin_text serin_hook_message(serin_hook hook) {
  return serin_text_at(hook.at, 24);
}

/* The policy's tags for this hook. */
static inline serin_texts serin_hook_tags(serin_hook hook) {
  return serin_texts_at(hook.at, 32);
}

/* Every action that the selector took, in order, e.g. `KPROBE_ACTION_OVERRIDE`. */
static inline serin_texts serin_hook_actions(serin_hook hook) {
  return serin_texts_at(hook.at, 40);
}

/* Those that it took when the call had returned, likewise. Since schema 4. */
static inline serin_texts serin_hook_return_actions(serin_hook hook) {
  return serin_texts_at(hook.at, 48);
}

/* The hook. */
static inline bool serin_kprobe_hook(serin_kprobe kprobe, serin_hook *found) {
  return serin_shared_at(kprobe.at, 4, &found->at);
}

/* Index of the selector that matched. */
static inline uint32_t serin_kprobe_selector(serin_kprobe kprobe) {
  return serin_u32(kprobe.at, 8);
}

/* 1: an enforcing filter could not read an argument and failed closed. */
static inline uint8_t serin_kprobe_failed_closed(serin_kprobe kprobe) {
  return serin_u8(kprobe.at, 12);
}

/* 1: the policy's Override or signal could not be carried out here. */
static inline uint8_t serin_kprobe_unenforced(serin_kprobe kprobe) {
  return serin_u8(kprobe.at, 13);
}

/* The arguments that the policy asks for, in the policy's order, and behind them what its `data` has read, likewise. */
static inline serin_list serin_kprobe_arguments(serin_kprobe kprobe) {
  return serin_list_at(kprobe.at, 16);
}

/* What the function returned, if the policy asks for that. */
static inline bool serin_kprobe_returned(serin_kprobe kprobe, serin_argument *found) {
  return serin_one_at(kprobe.at, 24, &found->at);
}

/* Type: 1 int, 2 uint, 3 long, 4 size, 5 string, 6 open file, 7 unreadable, 8 path, 9 program, 10 structure, 11 bytes. */
static inline uint8_t serin_argument_type_code(serin_argument argument) {
  return serin_u8(argument.at, 4);
}

/* For a file, 1: the path could not be resolved to the root. */
static inline uint8_t serin_argument_incomplete(serin_argument argument) {
  return serin_u8(argument.at, 5);
}

/* For a file: `inode.i_mode`; 0 if unknown. */
static inline uint16_t serin_argument_mode(serin_argument argument) {
  return serin_u16(argument.at, 6);
}

/* Integers: the value, extended to 64 bits with its sign if it has one. Bytes: how many there were. */
static inline uint64_t serin_argument_integer(serin_argument argument) {
  return serin_u64(argument.at, 8);
}

/* A string, bytes with U+FFFD for what is not UTF-8, a file's path, why the argument was unreadable, or what structure it is: its key in JSON, such as `sock_arg`. */
static inline serin_text serin_argument_text(serin_argument argument) {
  return serin_text_at(argument.at, 16);
}

/* The policy's label for this argument; empty if none. */
static inline serin_text serin_argument_label(serin_argument argument) {
  return serin_text_at(argument.at, 24);
}

/* The fields of a structure, named as in JSON, `a.b` for one in another; those left out there are missing. Since schema 2. */
static inline serin_list serin_argument_fields(serin_argument argument) {
  return serin_list_at(argument.at, 32);
}

/* Its path. */
static inline serin_text serin_loader_path(serin_loader loader) {
  return serin_text_at(loader.at, 8);
}

/* The build ID of the ELF file, in lower-case hexadecimal digits; empty if it has none. */
static inline serin_text serin_loader_build_id(serin_loader loader) {
  return serin_text_at(loader.at, 16);
}

/* The CPU whose records were lost. */
static inline uint16_t serin_loss_cpu(serin_loss loss) {
  return serin_u16(loss.at, 4);
}

/* How many. */
static inline uint64_t serin_loss_count(serin_loss loss) {
  return serin_u64(loss.at, 8);
}

/* Who asked: 1 a policy, 2 a plugin. */
static inline uint8_t serin_action_result_source_code(serin_action_result action_result) {
  return serin_u8(action_result.at, 4);
}

/* What was done: 1 HTTP GET, 2 HTTP POST, 3 DNS. */
static inline uint8_t serin_action_result_action_code(serin_action_result action_result) {
  return serin_u8(action_result.at, 5);
}

/* How it ended: 1 HTTP answer, 2 resolved, 3 suppressed, 4 failed. */
static inline uint8_t serin_action_result_outcome_code(serin_action_result action_result) {
  return serin_u8(action_result.at, 6);
}

/* Nanoseconds from hand-over to the end. */
static inline uint64_t serin_action_result_duration(serin_action_result action_result) {
  return serin_u64(action_result.at, 8);
}

/* Name of the policy, or of the plugin in the pipeline. */
static inline serin_text serin_action_result_source(serin_action_result action_result) {
  return serin_text_at(action_result.at, 16);
}

/* URL or domain name. */
static inline serin_text serin_action_result_target(serin_action_result action_result) {
  return serin_text_at(action_result.at, 24);
}

/* `exec_id` of the process that caused it; empty if none. */
static inline serin_text serin_action_result_exec_id(serin_action_result action_result) {
  return serin_text_at(action_result.at, 32);
}

/* Status of an HTTP answer. */
static inline uint16_t serin_action_result_http_status(serin_action_result action_result) {
  return serin_u16(action_result.at, 40);
}

/* Addresses in a DNS answer, and texts, which stand in double quotes. */
static inline serin_texts serin_action_result_addresses(serin_action_result action_result) {
  return serin_texts_at(action_result.at, 48);
}

/* Why it was suppressed or failed. */
static inline serin_text serin_action_result_reason(serin_action_result action_result) {
  return serin_text_at(action_result.at, 56);
}

/* The plugin's name in the pipeline. */
static inline serin_text serin_annotation_plugin(serin_annotation annotation) {
  return serin_text_at(annotation.at, 8);
}

/* Key, e.g. `container.id`. */
static inline serin_text serin_annotation_key(serin_annotation annotation) {
  return serin_text_at(annotation.at, 16);
}

/* Value. */
static inline serin_text serin_annotation_value(serin_annotation annotation) {
  return serin_text_at(annotation.at, 24);
}

/* Key. */
static inline serin_text serin_field_key(serin_field field) {
  return serin_text_at(field.at, 8);
}

/* Value. */
static inline serin_text serin_field_value(serin_field field) {
  return serin_text_at(field.at, 16);
}

/* 0 info, 1 low, 2 medium, 3 high, 4 critical. */
static inline uint8_t serin_alert_severity_code(serin_alert alert) {
  return serin_u8(alert.at, 4);
}

/* The plugin's name in the pipeline. */
static inline serin_text serin_alert_plugin(serin_alert alert) {
  return serin_text_at(alert.at, 8);
}

/* One line for a human. */
static inline serin_text serin_alert_title(serin_alert alert) {
  return serin_text_at(alert.at, 16);
}

/* MITRE ATT&CK techniques, e.g. `T1036.005`. */
static inline serin_texts serin_alert_techniques(serin_alert alert) {
  return serin_texts_at(alert.at, 24);
}

/* Further facts, from the same plugin. */
static inline serin_list serin_alert_fields(serin_alert alert) {
  return serin_list_at(alert.at, 32);
}

/* Which of the plugin's rules found it; empty if it is one. */
static inline serin_text serin_alert_rule(serin_alert alert) {
  return serin_text_at(alert.at, 40);
}

/* Alerts with the same key are about the same thing. */
static inline serin_text serin_alert_key(serin_alert alert) {
  return serin_text_at(alert.at, 48);
}

/* The plugin's name in the pipeline. */
static inline serin_text serin_plugin_error_plugin(serin_plugin_error plugin_error) {
  return serin_text_at(plugin_error.at, 8);
}

/* Why. */
static inline serin_text serin_plugin_error_reason(serin_plugin_error plugin_error) {
  return serin_text_at(plugin_error.at, 16);
}

/* Failures of this plugin so far. */
static inline uint64_t serin_plugin_error_failures(serin_plugin_error plugin_error) {
  return serin_u64(plugin_error.at, 24);
}

/* The next of a list; false at its end. */
static inline bool serin_next_alert(serin_list *list, serin_alert *next) {
  return serin_next(list, &next->at);
}

/* The next of a list; false at its end. */
static inline bool serin_next_annotation(serin_list *list, serin_annotation *next) {
  return serin_next(list, &next->at);
}

/* The next of a list; false at its end. */
static inline bool serin_next_argument(serin_list *list, serin_argument *next) {
  return serin_next(list, &next->at);
}

/* The next of a list; false at its end. */
static inline bool serin_next_field(serin_list *list, serin_field *next) {
  return serin_next(list, &next->at);
}

#endif
