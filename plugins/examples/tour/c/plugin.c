/* Uses everything that the SDK has: what it reads it says in annotations. */
#include <serin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of words; what does not fit is left out. */
typedef struct {
  char data[512];
  size_t length;
} line;

static void word(line *line, serin_text text) {
  size_t space = line->length > 0 ? 1 : 0;
  if (line->length + space + text.length <= sizeof line->data) {
    memcpy(line->data + line->length, " ", space);
    memcpy(line->data + line->length + space, text.data, text.length);
    line->length += space + text.length;
  }
}

static void number(line *line, uint64_t value) {
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRIu64, value);
  word(line, serin_string(digits));
}

static void words(line *line, serin_texts texts) {
  serin_text text;
  while (serin_next_text(&texts, &text)) {
    word(line, text);
  }
}

static void say(serin_outcome *outcome, const char *key, const line *line) {
  serin_annotate(outcome, serin_string(key), (serin_text){line->data, line->length});
}

static void add_argument(line *line, serin_argument argument) {
  char text[256];
  serin_text label = serin_argument_label(argument), string;
  int length;
  if (serin_argument_string(argument, &string)) {
    length = snprintf(text, sizeof text, "%.*s:%.*s", (int)label.length, label.data, (int)string.length, string.data);
  } else {
    int64_t value = (int64_t)serin_argument_integer(argument);
    length = snprintf(text, sizeof text, "%.*s:%" PRId64, (int)label.length, label.data, value);
  }
  word(line, (serin_text){text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1});
}

static void describe_kprobe(serin_kprobe kprobe, serin_outcome *outcome) {
  serin_hook hook;
  if (serin_kprobe_hook(kprobe, &hook)) {
    line line = {0};
    word(&line, serin_hook_function_name(hook));
    word(&line, serin_hook_policy_name(hook));
    word(&line, serin_hook_message(hook));
    words(&line, serin_hook_tags(hook));
    words(&line, serin_hook_actions(hook));
    say(outcome, "hook", &line);
  }
  line arguments = {0};
  serin_list list = serin_kprobe_arguments(kprobe);
  serin_argument argument;
  while (serin_next_argument(&list, &argument)) {
    add_argument(&arguments, argument);
  }
  say(outcome, "arguments", &arguments);
  if (serin_kprobe_returned(kprobe, &argument)) {
    line returned = {0};
    add_argument(&returned, argument);
    say(outcome, "returned", &returned);
  }
}

/* What stands behind `größe=` in an argument. */
static void mask_size(serin_process process, serin_outcome *outcome) {
  static const char NAME[] = "größe=";
  size_t start = sizeof NAME - 1;
  serin_texts arguments = serin_process_arguments(process);
  serin_text text;
  for (uint32_t index = 0; serin_next_text(&arguments, &text); index++) {
    if (text.length > start && memcmp(text.data, NAME, start) == 0) {
      serin_redact_mask(outcome, SERIN_PROCESS_ARGUMENT, index, start, text.length);
    }
  }
}

static void describe_pod(serin_pod pod, serin_outcome *outcome) {
  line line = {0};
  word(&line, serin_pod_namespace(pod));
  word(&line, serin_pod_name(pod));
  word(&line, serin_pod_container_id(pod));
  word(&line, serin_pod_container_name(pod));
  word(&line, serin_pod_image(pod));
  serin_list labels = serin_pod_labels(pod);
  serin_field label;
  while (serin_next_field(&labels, &label)) {
    serin_text key = serin_field_key(label), value = serin_field_value(label);
    char text[256];
    int length = snprintf(text, sizeof text, "%.*s=%.*s", (int)key.length, key.data, (int)value.length, value.data);
    word(&line, (serin_text){text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1});
  }
  say(outcome, "pod", &line);
}

static void describe_process(serin_event event, serin_outcome *outcome) {
  serin_process process, parent;
  if (serin_event_process(event, &process)) {
    line line = {0};
    number(&line, serin_process_pid(process));
    number(&line, serin_process_uid(process));
    word(&line, serin_process_binary(process));
    words(&line, serin_process_arguments(process));
    say(outcome, "process", &line);
    serin_pod pod;
    if (serin_process_pod(process, &pod) && serin_pod_name(pod).length > 0) {
      describe_pod(pod, outcome);
    }
    mask_size(process, outcome);
  }
  if (serin_event_parent(event, &parent)) {
    line line = {0};
    number(&line, serin_process_pid(parent));
    word(&line, serin_process_binary(parent));
    say(outcome, "parent", &line);
  }
}

static void describe(serin_event event, serin_outcome *outcome) {
  line line = {0};
  serin_exit exit;
  serin_loss loss;
  serin_action_result result;
  serin_kprobe kprobe;
  describe_process(event, outcome);
  if (serin_event_exit(event, &exit)) {
    number(&line, serin_exit_status(exit));
    number(&line, serin_exit_signal(exit));
    say(outcome, "exit", &line);
  }
  if (serin_event_loss(event, &loss)) {
    number(&line, serin_loss_cpu(loss));
    number(&line, serin_loss_count(loss));
    say(outcome, "loss", &line);
  }
  if (serin_event_action_result(event, &result)) {
    word(&line, serin_action_result_target(result));
    words(&line, serin_action_result_addresses(result));
    number(&line, serin_action_result_duration(result));
    say(outcome, "result", &line);
  }
  if (serin_event_kprobe(event, &kprobe)) {
    describe_kprobe(kprobe, outcome);
  }
}

/* How many events there were, kept by the agent. */
static uint8_t count(void) {
  serin_text before;
  char now = 1;
  if (serin_kv_get(serin_string("count"), &before)) {
    now = (char)(before.data[0] + 1);
    free((void *)before.data);
  }
  serin_kv_set(serin_string("count"), (serin_text){&now, 1}, 0);
  return (uint8_t)now;
}

/* The first line of a file. */
static void add_content(line *line, const char *path) {
  serin_text content;
  if (!serin_file_read(serin_string(path), &content)) {
    word(line, serin_string("refused"));
    return;
  }
  const char *end = memchr(content.data, '\n', content.length);
  word(line, (serin_text){content.data, end ? (size_t)(end - content.data) : content.length});
  free((void *)content.data);
}

/* Of a program that is not there, as of no process. */
static void add_digest(line *line, uint32_t pid, const char *path) {
  serin_hash_digest digest;
  for (int tries = 0; tries < 1000; tries++) {
    switch (serin_hash_program(pid, serin_string(path), &digest)) {
    case SERIN_HASH_KNOWN:
      word(line, digest.sha256);
      free((void *)digest.sha256.data);
      return;
    case SERIN_HASH_REFUSED:
      word(line, serin_string("refused"));
      return;
    case SERIN_HASH_PENDING:
      break;
    }
  }
}

static void look_at_files(serin_outcome *outcome) {
  line files = {0}, digest = {0};
  add_content(&files, "/proc/sys/kernel/ostype");
  add_content(&files, "/etc/passwd");
  say(outcome, "files", &files);
  add_digest(&digest, UINT32_MAX, "/nonexistent");
  say(outcome, "digest", &digest);
  line clock = {0}, random = {0};
  number(&clock, serin_clock_wall() / 1000000);
  number(&clock, serin_clock_monotonic() / 1000000);
  say(outcome, "clock", &clock);
  uint8_t bytes[4];
  serin_random_bytes(bytes, sizeof bytes);
  for (size_t index = 0; index < sizeof bytes; index += 1) {
    number(&random, bytes[index]);
  }
  say(outcome, "random", &random);
}

static void report_link(serin_outcome *outcome) {
  serin_finding *finding = serin_raise(outcome, SERIN_MEDIUM, serin_string("a link"));
  serin_finding_rule(finding, serin_string("links"));
  serin_finding_technique(finding, serin_string("T1222"));
  serin_finding_key(finding, serin_string("link"));
  serin_finding_field(finding, serin_string("path"), serin_string("/tmp/x"));
  serin_request_dns(outcome, serin_string("abc.example.com"));
  serin_header header = {serin_string("content-type"), serin_string("text/plain")};
  serin_request_post(outcome, serin_string("https://example.com/hook"), &header, 1, serin_string("hi"));
}

static void on_event(serin_event event, serin_outcome *outcome) {
  serin_kind kind = (serin_kind)serin_event_kind_code(event);
  serin_node node;
  serin_process process;
  line line = {0};
  word(&line, serin_string(serin_kind_name(kind)));
  word(&line, serin_event_node(event, &node) ? serin_node_name(node) : serin_string(""));
  number(&line, serin_event_time(event));
  number(&line, count());
  say(outcome, "event", &line);
  describe(event, outcome);
  if (serin_event_process(event, &process) && serin_equal(serin_process_binary(process), serin_string("/bin/drop"))) {
    serin_drop(outcome, serin_string("tour"));
  }
  if (kind == SERIN_PROCESS_KPROBE) {
    report_link(outcome);
    look_at_files(outcome);
  }
  serin_log(SERIN_LOG_INFO, serin_string(serin_kind_name(kind)));
}

static void on_tick(uint64_t now, serin_outcome *outcome) {
  if (now > 0) {
    serin_request_get(outcome, serin_string("https://example.com/tick"), NULL, 0);
  }
}

static void flush(serin_outcome *outcome) {
  serin_request_get(outcome, serin_string("https://example.com/flush"), NULL, 0);
}

static const serin_kind kinds[] = {
    SERIN_PROCESS_EXEC, SERIN_PROCESS_EXIT, SERIN_PROCESS_KPROBE, SERIN_PROCESS_LSM, SERIN_LOSS, SERIN_ACTION_RESULT, 0,
};
static const char *const policies[] = {"links", "open*", NULL};
static const char *const binaries[] = {"/usr/bin/*", "/bin/*", NULL};
static const char *const namespaces[] = {"sh*", NULL};
static const char *const paths[] = {"/etc/passwd", "/etc/h*", NULL};
static const serin_argument_predicate arguments[] = {{.index = 0, .values = paths}, {0}};

const serin_plugin_definition serin_plugin = {
    .name = "tour",
    .version = "0.1.0",
    .kinds = kinds,
    .policies = policies,
    .binaries = binaries,
    .namespaces = namespaces,
    .arguments = arguments,
    .on_event = on_event,
    .on_tick = on_tick,
    .flush = flush,
};
