#include "outcome.h"

#include <stdlib.h>

/* How many recent groups are searched for one that an effect can join. */
static const size_t RECENT = 16;

serin_wit_string_t serin_copy(serin_text text) {
  serin_wit_string_t copy;
  serin_wit_string_dup_n(&copy, text.data, text.length);
  return copy;
}

/* Doubles at each power of two, so that no capacity need be kept. */
void *serin_grow(void *elements, size_t count, size_t size) {
  if ((count & (count - 1)) != 0) {
    return elements;
  }
  void *grown = realloc(elements, (count == 0 ? 1 : 2 * count) * size);
  if (grown == NULL) {
    __builtin_trap();
  }
  return grown;
}

/* One more zeroed element at the end of a list of the bindings. */
#define APPEND(list)                                                                                                   \
  ((list)->ptr = serin_grow((list)->ptr, (list)->len, sizeof *(list)->ptr),                                            \
   memset(&(list)->ptr[(list)->len], 0, sizeof *(list)->ptr), &(list)->ptr[(list)->len++])

static bool is(serin_wit_string_t string, serin_text text) {
  return serin_equal((serin_text){(const char *)string.ptr, string.len}, text);
}

void serin_drop(serin_outcome *outcome, serin_text reason) {
  serin_plugin_types_list_drop_t *drops = &outcome->effects.drops;
  for (size_t back = 1; back <= drops->len && back <= RECENT; back += 1) {
    serin_plugin_types_drop_t *drop = &drops->ptr[drops->len - back];
    if (is(drop->reason, reason)) {
      *APPEND(&drop->events) = outcome->event;
      return;
    }
  }
  serin_plugin_types_drop_t *drop = APPEND(drops);
  drop->reason = serin_copy(reason);
  *APPEND(&drop->events) = outcome->event;
}

/* Events come in bursts: the same key and value for many of them cross the boundary once. */
void serin_annotate(serin_outcome *outcome, serin_text key, serin_text value) {
  serin_plugin_types_list_annotation_t *annotations = &outcome->effects.annotations;
  for (size_t back = 1; back <= annotations->len && back <= RECENT; back += 1) {
    serin_plugin_types_annotation_t *annotation = &annotations->ptr[annotations->len - back];
    if (is(annotation->key, key) && is(annotation->value, value)) {
      *APPEND(&annotation->events) = outcome->event;
      return;
    }
  }
  serin_plugin_types_annotation_t *annotation = APPEND(annotations);
  annotation->key = serin_copy(key);
  annotation->value = serin_copy(value);
  *APPEND(&annotation->events) = outcome->event;
}

static serin_plugin_types_alert_t *alert(serin_finding *finding) {
  return (serin_plugin_types_alert_t *)finding;
}

static void replace(serin_wit_string_t *string, serin_text text) {
  serin_wit_string_free(string);
  *string = serin_copy(text);
}

serin_finding *serin_raise(serin_outcome *outcome, serin_severity severity, serin_text title) {
  serin_plugin_types_alert_t *raised = APPEND(&outcome->effects.alerts);
  raised->event = outcome->event;
  raised->severity = (serin_plugin_types_severity_t)severity;
  raised->title = serin_copy(title);
  return (serin_finding *)raised;
}

void serin_finding_rule(serin_finding *finding, serin_text rule) {
  replace(&alert(finding)->rule, rule);
}

void serin_finding_technique(serin_finding *finding, serin_text technique) {
  *APPEND(&alert(finding)->techniques) = serin_copy(technique);
}

void serin_finding_key(serin_finding *finding, serin_text key) {
  replace(&alert(finding)->key, key);
}

void serin_finding_field(serin_finding *finding, serin_text key, serin_text value) {
  serin_wit_tuple2_string_string_t *field = APPEND(&alert(finding)->fields);
  field->f0 = serin_copy(key);
  field->f1 = serin_copy(value);
}

static serin_plugin_types_action_t *request(serin_outcome *outcome, uint8_t tag) {
  serin_plugin_types_action_request_t *requested = APPEND(&outcome->effects.actions);
  requested->event = outcome->event;
  requested->action.tag = tag;
  return &requested->action;
}

void serin_request_dns(serin_outcome *outcome, serin_text name) {
  request(outcome, SERIN_PLUGIN_TYPES_ACTION_DNS)->val.dns = serin_copy(name);
}

static serin_plugin_types_http_request_t *request_http(
    serin_outcome *outcome, serin_plugin_types_method_t method, serin_text url, const serin_header *headers, size_t count
) {
  serin_plugin_types_http_request_t *http = &request(outcome, SERIN_PLUGIN_TYPES_ACTION_HTTP)->val.http;
  http->method = method;
  http->url = serin_copy(url);
  for (size_t index = 0; index < count; index += 1) {
    serin_wit_tuple2_string_string_t *header = APPEND(&http->headers);
    header->f0 = serin_copy(headers[index].name);
    header->f1 = serin_copy(headers[index].value);
  }
  return http;
}

void serin_request_get(serin_outcome *outcome, serin_text url, const serin_header *headers, size_t count) {
  request_http(outcome, SERIN_PLUGIN_TYPES_METHOD_GET, url, headers, count);
}

void serin_request_post(
    serin_outcome *outcome, serin_text url, const serin_header *headers, size_t count, serin_text body
) {
  serin_plugin_types_http_request_t *http =
      request_http(outcome, SERIN_PLUGIN_TYPES_METHOD_POST, url, headers, count);
  serin_wit_string_t copy = serin_copy(body);
  http->body = (serin_wit_list_u8_t){copy.ptr, copy.len};
}
