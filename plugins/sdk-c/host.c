/* What the agent offers a plugin. In a file of its own: a plugin that doesn't call these needs no grant. */
#include "outcome.h"

/* The bindings take what they only read by mutable pointers. */
static serin_wit_string_t borrow(serin_text text) {
  return (serin_wit_string_t){(uint8_t *)text.data, text.length};
}

void serin_log(serin_level level, serin_text message) {
  serin_wit_string_t line = borrow(message);
  serin_plugin_log_write((serin_plugin_log_level_t)level, &line);
}

uint64_t serin_clock_wall(void) {
  return serin_plugin_clock_wall();
}

uint64_t serin_clock_monotonic(void) {
  return serin_plugin_clock_monotonic();
}

void serin_random_bytes(void *into, size_t count) {
  serin_wit_list_u8_t found;
  serin_plugin_random_bytes((uint32_t)count, &found);
  memcpy(into, found.ptr, found.len);
  serin_wit_list_u8_free(&found);
}

bool serin_kv_get(serin_text key, serin_text *value) {
  serin_wit_string_t name = borrow(key);
  serin_wit_list_u8_t found;
  if (!serin_plugin_kv_get(&name, &found)) {
    return false;
  }
  *value = (serin_text){(const char *)found.ptr, found.len};
  return true;
}

bool serin_kv_set(serin_text key, serin_text value, uint64_t milliseconds) {
  serin_wit_string_t name = borrow(key);
  serin_wit_list_u8_t bytes = {(uint8_t *)value.data, value.length};
  serin_plugin_kv_refusal_t refusal;
  return serin_plugin_kv_set(&name, &bytes, milliseconds, &refusal);
}

bool serin_kv_delete(serin_text key) {
  serin_wit_string_t name = borrow(key);
  return serin_plugin_kv_delete(&name);
}

bool serin_file_read(serin_text path, serin_text *content) {
  serin_wit_string_t name = borrow(path);
  serin_wit_list_u8_t found;
  serin_plugin_file_refusal_t refusal;
  if (!serin_plugin_file_read(&name, &found, &refusal)) {
    return false;
  }
  *content = (serin_text){(const char *)found.ptr, found.len};
  return true;
}

serin_hash_answer serin_hash_program(uint32_t pid, serin_text path, serin_hash_digest *digest) {
  serin_wit_string_t name = borrow(path);
  serin_plugin_hash_answer_t answer;
  serin_plugin_hash_program(pid, &name, &answer);
  if (answer.tag != SERIN_PLUGIN_HASH_ANSWER_KNOWN) {
    return answer.tag == SERIN_PLUGIN_HASH_ANSWER_PENDING ? SERIN_HASH_PENDING : SERIN_HASH_REFUSED;
  }
  serin_plugin_hash_digest_t *known = &answer.val.known;
  *digest = (serin_hash_digest){{(const char *)known->sha256.ptr, known->sha256.len}, known->of_process};
  return SERIN_HASH_KNOWN;
}

void serin_redact_mask(const serin_outcome *outcome, serin_place place, uint32_t index, size_t start, size_t end) {
  /* The places have the bindings' tags, and all of them an index. */
  serin_plugin_redact_place_t text = {.tag = (uint8_t)place, .val.process_argument = index};
  serin_plugin_redact_mask(outcome->event, &text, (uint32_t)start, (uint32_t)end);
}
