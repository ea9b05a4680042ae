/* What the component exports: the author's plugin, called as the world in wit/plugin.wit says. */
#include "outcome.h"

#include <stdlib.h>

static void copy_patterns(serin_wit_list_string_t *into, const char *const *patterns) {
  for (; patterns != NULL && *patterns != NULL; patterns += 1) {
    into->ptr = serin_grow(into->ptr, into->len, sizeof *into->ptr);
    into->ptr[into->len++] = serin_copy(serin_string(*patterns));
  }
}

static void subscribe(serin_plugin_types_subscription_t *subscription) {
  for (const serin_kind *kind = serin_plugin.kinds; kind != NULL && *kind != 0; kind += 1) {
    serin_wit_list_string_t *kinds = &subscription->kinds;
    kinds->ptr = serin_grow(kinds->ptr, kinds->len, sizeof *kinds->ptr);
    kinds->ptr[kinds->len++] = serin_copy(serin_string(serin_kind_name(*kind)));
  }
  copy_patterns(&subscription->policies, serin_plugin.policies);
  copy_patterns(&subscription->binaries, serin_plugin.binaries);
  copy_patterns(&subscription->namespaces, serin_plugin.namespaces);
  for (const serin_argument_predicate *argument = serin_plugin.arguments; argument != NULL && argument->values != NULL; argument += 1) {
    serin_plugin_types_list_argument_predicate_t *arguments = &subscription->arguments;
    arguments->ptr = serin_grow(arguments->ptr, arguments->len, sizeof *arguments->ptr);
    serin_plugin_types_argument_predicate_t *predicate = &arguments->ptr[arguments->len++];
    memset(predicate, 0, sizeof *predicate);
    predicate->index = argument->index;
    predicate->field = serin_copy(serin_string(argument->field == NULL ? "" : argument->field));
    copy_patterns(&predicate->values, argument->values);
  }
}

bool exports_serin_plugin_frames_init(
    serin_wit_string_t *config, exports_serin_plugin_frames_info_t *info, serin_wit_string_t *error
) {
  const char *start = (const char *)config->ptr;
  serin_json value = {start, start + config->len};
  const char *wrong = serin_plugin.configure == NULL ? NULL : serin_plugin.configure(value);
  serin_wit_string_free(config);
  if (wrong != NULL) {
    *error = serin_copy(serin_string(wrong));
    return false;
  }
  memset(info, 0, sizeof *info);
  info->name = serin_copy(serin_string(serin_plugin.name));
  info->version = serin_copy(serin_string(serin_plugin.version));
  info->schema = SERIN_SCHEMA;
  subscribe(&info->subscription);
  return true;
}

void exports_serin_plugin_frames_on_frame(serin_wit_list_u8_t *bytes, exports_serin_plugin_frames_outcome_t *effects) {
  serin_outcome outcome = {0};
  serin_frame frame = serin_frame_of((serin_part){bytes->ptr, bytes->len});
  serin_event event;
  while (serin_next_record(&frame, &event.at)) {
    serin_plugin.on_event(event, &outcome);
    outcome.event += 1;
  }
  serin_wit_list_u8_free(bytes);
  *effects = outcome.effects;
}

/* Gives what was requested to the caller; nothing else counts where there are no events. */
static void request_only(serin_outcome *outcome, exports_serin_plugin_frames_list_action_t *actions) {
  *actions = (exports_serin_plugin_frames_list_action_t){0};
  serin_plugin_types_list_action_request_t *requests = &outcome->effects.actions;
  for (size_t index = 0; index < requests->len; index += 1) {
    actions->ptr = serin_grow(actions->ptr, actions->len, sizeof *actions->ptr);
    actions->ptr[actions->len++] = requests->ptr[index].action;
  }
  /* The actions themselves are the caller's now. */
  free(requests->ptr);
  outcome->effects.actions = (serin_plugin_types_list_action_request_t){0};
  serin_plugin_types_outcome_free(&outcome->effects);
}

void exports_serin_plugin_frames_on_tick(uint64_t now, exports_serin_plugin_frames_list_action_t *actions) {
  serin_outcome outcome = {0};
  if (serin_plugin.on_tick != NULL) {
    serin_plugin.on_tick(now, &outcome);
  }
  request_only(&outcome, actions);
}

void exports_serin_plugin_frames_flush(exports_serin_plugin_frames_list_action_t *actions) {
  serin_outcome outcome = {0};
  if (serin_plugin.flush != NULL) {
    serin_plugin.flush(&outcome);
  }
  request_only(&outcome, actions);
}

/* The codes of texts and files; see serin_argument_type_code. */
bool serin_argument_string(serin_argument argument, serin_text *found) {
  switch (serin_argument_type_code(argument)) {
  case 5:
  case 6:
  case 8:
  case 9:
  case 11:
    *found = serin_argument_text(argument);
    return true;
  default:
    return false;
  }
}

bool serin_argument_member(serin_argument argument, const char *key, serin_text *found) {
  serin_list fields = serin_argument_fields(argument);
  serin_field field;
  while (serin_next_field(&fields, &field)) {
    if (serin_equal(serin_field_key(field), serin_string(key))) {
      *found = serin_field_value(field);
      return true;
    }
  }
  return false;
}
