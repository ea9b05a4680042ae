/* Raises an alert when a program is run from a folder that anybody can write to. */
#include <serin.h>

#include <stdlib.h>

/* Folders that no program should be run from; each ends with a slash. */
static serin_text *folders;
static size_t folder_count;

static const char *add_folder(serin_json value) {
  char *folder = serin_json_string(value);
  if (folder == NULL) {
    return "`folders`: not all of them are texts: write [/tmp/, /var/tmp/]";
  }
  serin_text text = serin_string(folder);
  if (!serin_ends_with(text, serin_string("/"))) {
    return serin_concat("`folders`: `", folder, "` has no slash at its end: write `", folder, "/`", NULL);
  }
  serin_text *more = realloc(folders, (folder_count + 1) * sizeof *folders);
  if (more == NULL) {
    return "`folders`: too many of them for the plugin's memory";
  }
  folders = more;
  folders[folder_count++] = text;
  return NULL;
}

static const char *configure(serin_json config) {
  serin_json name, value;
  if (!serin_json_member(config, "folders", &value)) {
    return "missing field `folders`";
  }
  serin_json_list members = serin_json_list_of(config);
  while (serin_json_next_member(&members, &name, &value)) {
    if (!serin_json_is(name, "folders")) {
      return serin_concat("unknown field `", serin_json_string(name), "`, expected `folders`", NULL);
    }
    serin_json_list elements = serin_json_list_of(value);
    serin_json element;
    while (serin_json_next(&elements, &element)) {
      const char *wrong = add_folder(element);
      if (wrong != NULL) {
        return wrong;
      }
    }
  }
  return NULL;
}

static void on_event(serin_event event, serin_outcome *outcome) {
  serin_process process;
  if (!serin_event_process(event, &process)) {
    return;
  }
  serin_text binary = serin_process_binary(process);
  for (size_t index = 0; index < folder_count; index += 1) {
    if (serin_starts_with(binary, folders[index])) {
      serin_text title = serin_string("a program was run from a folder that anybody can write to");
      serin_finding *finding = serin_raise(outcome, SERIN_HIGH, title);
      serin_finding_technique(finding, serin_string("T1036.005"));
      serin_finding_field(finding, serin_string("folder"), folders[index]);
      return;
    }
  }
}

const serin_plugin_definition serin_plugin = {
    .name = "exec-watch",
    .version = "0.1.0",
    .kinds = (const serin_kind[]){SERIN_PROCESS_EXEC, 0},
    .configure = configure,
    .on_event = on_event,
};
