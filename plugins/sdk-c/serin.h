/* Write plugins for serin in C: events in, effects out.
 *
 * A plugin is one or more .c files, of which one defines `serin_plugin`; it runs
 * in a sandbox without files, network or clock. `serin plugin new NAME --lang c`
 * makes one, docs/plugin-guide.md says the rest. */
#ifndef SERIN_H
#define SERIN_H

#include "config.h"
#include "frame.h"
#include "views.h"

/* How bad an alert is. */
typedef enum { SERIN_INFO, SERIN_LOW, SERIN_MEDIUM, SERIN_HIGH, SERIN_CRITICAL } serin_severity;

/* Collects what a plugin makes of events. */
typedef struct serin_outcome serin_outcome;

/* An alert that is raised already, and takes more; valid until the next is raised. */
typedef struct serin_finding serin_finding;

/* A name and a value, or a key and a value. */
typedef struct {
  serin_text name;
  serin_text value;
} serin_header;

/* Removes the event: later plugins and sinks don't see it. The agent counts drops by reason, so use few reasons, of at
 * most 64 bytes. */
void serin_drop(serin_outcome *outcome, serin_text reason);

/* Attaches a key and value to the event. A key is 1 to 64 of `a-z 0-9 . _ - /`; a value is cut after 4096 bytes. */
void serin_annotate(serin_outcome *outcome, serin_text key, serin_text value);

/* Raises a finding on the event. */
serin_finding *serin_raise(serin_outcome *outcome, serin_severity severity, serin_text title);

/* Which rule found it, if the plugin has several; at most 128 bytes. */
void serin_finding_rule(serin_finding *finding, serin_text rule);

/* A MITRE ATT&CK technique, for example `T1036.005`; at most 8. */
void serin_finding_technique(serin_finding *finding, serin_text technique);

/* Alerts with the same key are about the same thing. Without one: those of the same rule and binary. */
void serin_finding_key(serin_finding *finding, serin_text key);

/* A further fact, at most 32; keys as in an annotation. */
void serin_finding_field(serin_finding *finding, serin_text key, serin_text value);

/* Asks for a look-up of a name, or of a record and a name, like `TXT a.example`; the pipeline file must grant it. */
void serin_request_dns(serin_outcome *outcome, serin_text name);

/* Asks for an HTTP request; the pipeline file must grant it. */
void serin_request_get(serin_outcome *outcome, serin_text url, const serin_header *headers, size_t count);
void serin_request_post(serin_outcome *outcome, serin_text url, const serin_header *headers, size_t count, serin_text body);

/* What an argument must be: the one at `index`, from 0, or a field of it if it is a structure, such as `daddr`; one of the
 * patterns in `values`, which end with a NULL. */
typedef struct {
  uint32_t index;
  const char *field;
  const char *const *values;
} serin_argument_predicate;

/* What a plugin is. What is left out is empty; only `name`, `version` and `on_event` are needed. */
typedef struct {
  /* Name and version, for messages. */
  const char *name;
  const char *version;
  /* The kinds of events that it is for, then a 0; NULL: all. Others cost nothing. */
  const serin_kind *kinds;
  /* Restricts the events of policies' hooks to these policies, then a NULL; `*` matches any run of characters. */
  const char *const *policies;
  /* Restrict the events that have a process to those of these programs, by path, and of pods in these namespaces; likewise. */
  const char *const *binaries;
  const char *const *namespaces;
  /* Restricts the events of policies' hooks by their arguments; the last has no `values`. */
  const serin_argument_predicate *arguments;
  /* Takes the pipeline entry's `config` and returns NULL; or what is wrong with it and what to write instead: the
   * operator sees it, and the agent doesn't start. What `config` leads to is valid for the call. */
  const char *(*configure)(serin_json config);
  /* Looks at one event. Leaving the outcome alone lets it pass unchanged. */
  void (*on_event)(serin_event event, serin_outcome *outcome);
  /* Called about once a second with the time in nanoseconds since the Unix epoch; only requests count here. */
  void (*on_tick)(uint64_t now, serin_outcome *outcome);
  /* Called once, when the agent ends or another version takes the plugin's place; likewise. */
  void (*flush)(serin_outcome *outcome);
} serin_plugin_definition;

/* The author defines it. */
extern const serin_plugin_definition serin_plugin;

/* The string, the bytes as text or the file's path, if the argument is one of them. */
bool serin_argument_string(serin_argument argument, serin_text *found);

/* A field of a structure by its name in JSON, such as `daddr`; false if it has no such field, or that is 0 or empty. */
bool serin_argument_member(serin_argument argument, const char *key, serin_text *found);

/* How important a line in the agent's log is: for the author, for the operator, to be acted on, fatal to the plugin. */
typedef enum { SERIN_LOG_DEBUG, SERIN_LOG_INFO, SERIN_LOG_WARN, SERIN_LOG_ERROR } serin_level;

/* Writes a line to the agent's log; needs `grants: { log: true }`. */
void serin_log(serin_level level, serin_text message);

/* The time, in whole milliseconds; needs `grants: { clock: true }`. Where recorded events are played, it is that of the last
 * tick. */

/* Nanoseconds since the Unix epoch. It goes back when the host's clock is set back. */
uint64_t serin_clock_wall(void);

/* Nanoseconds since a moment before the plugin's instance was first called. It never goes back. */
uint64_t serin_clock_monotonic(void);

/* Random bytes, which nobody can foretell; needs `grants: { random: true }`. Where recorded events are played, they are the
 * same each time. At most 4096: to ask for more is a failure of the plugin. */
void serin_random_bytes(void *into, size_t count);

/* Facts that the agent keeps for the plugin; they need `grants: { kv: {} }`. */

/* The value of a key, if it is there and its time has not passed. It is the caller's, who frees its data. */
bool serin_kv_get(serin_text key, serin_text *value);

/* Writes a value, for so many milliseconds; 0: for good. False: it is too large, or there is no room. */
bool serin_kv_set(serin_text key, serin_text value, uint64_t milliseconds);

/* Removes a key; whether it was there. */
bool serin_kv_delete(serin_text key);

/* All of a file of the host; needs `grants: { file: [PATH, ...] }`, with the exact path. It is the caller's, who frees its
 * data. False: it is not granted, not there, no regular file, larger than 1 MiB, or unreadable. */
bool serin_file_read(serin_text path, serin_text *content);

/* What is known of a program's digest. */
typedef enum { SERIN_HASH_KNOWN, SERIN_HASH_PENDING, SERIN_HASH_REFUSED } serin_hash_answer;

/* A program's digest: SHA-256 in hexadecimal, which the caller frees; if not `of_process`, of what the host has at the
 * path now. */
typedef struct {
  serin_text sha256;
  bool of_process;
} serin_hash_digest;

/* The digest of the program that a process runs, whose path is `path`; needs `grants: { hash: {} }`. One that is pending
 * is asked for again at the next event. */
serin_hash_answer serin_hash_program(uint32_t pid, serin_text path, serin_hash_digest *digest);

/* A list of texts of an event: the arguments of the process, of its parent, or those of the hook that are strings, bytes or
 * files; what its `data` has read counts on. */
typedef enum { SERIN_PROCESS_ARGUMENT, SERIN_PARENT_ARGUMENT, SERIN_HOOK_ARGUMENT } serin_place;

/* Hides the bytes from `start` to before `end` of a text of the current event, the one at `index` of its list, from 0, for
 * everything behind the plugin; needs `grants: { redact: true }`, and should have `onFailure: drop`: what it did not see, it
 * did not mask. They become `[redacted]`, a character of which a part is meant as a whole; the event gets an annotation
 * `redacted` that names the text. The agent checks what is asked for when the call has ended, as it does with effects. */
void serin_redact_mask(const serin_outcome *outcome, serin_place place, uint32_t index, size_t start, size_t end);

#endif
