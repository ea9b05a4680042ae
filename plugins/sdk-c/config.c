#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char character) {
  return character == ' ' || character == '\n' || character == '\t' || character == '\r';
}

static const char *skip_space(const char *at, const char *end) {
  while (at < end && is_space(*at)) {
    at += 1;
  }
  return at;
}

/* Behind the closing quote of a string. */
static const char *skip_string(const char *at, const char *end) {
  for (at += 1; at < end && *at != '"'; at += 1) {
    if (*at == '\\' && at + 1 < end) {
      at += 1;
    }
  }
  return at < end ? at + 1 : end;
}

/* Behind a value: the agent writes valid JSON, so brackets need only be counted. */
static const char *skip_value(const char *at, const char *end) {
  size_t depth = 0;
  while (at < end) {
    char character = *at;
    if (depth == 0 && (character == ',' || character == '}' || character == ']' || is_space(character))) {
      return at;
    }
    if (character == '"') {
      at = skip_string(at, end);
    } else {
      depth += character == '{' || character == '[';
      depth -= character == '}' || character == ']';
      at += 1;
    }
    bool closed = character == '}' || character == ']' || character == '"';
    if (depth == 0 && closed) {
      return at;
    }
  }
  return end;
}

serin_json_list serin_json_list_of(serin_json value) {
  bool has_items = value.start < value.end && (*value.start == '{' || *value.start == '[');
  if (!has_items) {
    return (serin_json_list){value.end, value.end};
  }
  return (serin_json_list){value.start + 1, value.end - 1};
}

bool serin_json_next(serin_json_list *list, serin_json *element) {
  const char *start = skip_space(list->at, list->end);
  if (start < list->end && (*start == ',' || *start == ':')) {
    start = skip_space(start + 1, list->end);
  }
  if (start >= list->end) {
    return false;
  }
  const char *end = skip_value(start, list->end);
  *element = (serin_json){start, end};
  list->at = end;
  return end > start;
}

bool serin_json_next_member(serin_json_list *list, serin_json *name, serin_json *member) {
  return serin_json_next(list, name) && serin_json_next(list, member);
}

bool serin_json_member(serin_json object, const char *name, serin_json *member) {
  serin_json found;
  if (object.start >= object.end || *object.start != '{') {
    return false;
  }
  serin_json_list members = serin_json_list_of(object);
  while (serin_json_next_member(&members, &found, member)) {
    if (serin_json_is(found, name)) {
      return true;
    }
  }
  return false;
}

static uint32_t hexadecimal(const char *digits, const char *end) {
  uint32_t value = 0;
  for (const char *digit = digits; digit < end && digit < digits + 4; digit += 1) {
    uint32_t low = (uint32_t)(*digit & 0xf);
    value = value * 16 + (*digit <= '9' ? low : low + 9);
  }
  return value;
}

static char *put_utf8(char *out, uint32_t point) {
  if (point < 0x80) {
    *out++ = (char)point;
  } else if (point < 0x800) {
    *out++ = (char)(0xc0 | point >> 6);
    *out++ = (char)(0x80 | (point & 0x3f));
  } else if (point < 0x10000) {
    *out++ = (char)(0xe0 | point >> 12);
    *out++ = (char)(0x80 | (point >> 6 & 0x3f));
    *out++ = (char)(0x80 | (point & 0x3f));
  } else {
    *out++ = (char)(0xf0 | point >> 18);
    *out++ = (char)(0x80 | (point >> 12 & 0x3f));
    *out++ = (char)(0x80 | (point >> 6 & 0x3f));
    *out++ = (char)(0x80 | (point & 0x3f));
  }
  return out;
}

/* Decodes the escape behind a backslash; gives what follows it. */
static const char *unescape(const char *at, const char *end, char **out) {
  static const char letters[] = "bfnrt";
  static const char meanings[] = "\b\f\n\r\t";
  const char *letter = strchr(letters, *at);
  if (letter != NULL && *letter != '\0') {
    *(*out)++ = meanings[letter - letters];
    return at + 1;
  }
  if (*at != 'u' || end - at < 5) {
    *(*out)++ = *at;
    return at + 1;
  }
  uint32_t point = hexadecimal(at + 1, end);
  at += 5;
  bool pair = point >= 0xd800 && point < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u';
  if (pair) {
    point = 0x10000 + ((point - 0xd800) << 10) + (hexadecimal(at + 2, end) - 0xdc00);
    at += 6;
  }
  *out = put_utf8(*out, point);
  return at;
}

char *serin_json_string(serin_json value) {
  if (value.end - value.start < 2 || *value.start != '"') {
    return NULL;
  }
  const char *end = value.end - 1;
  /* An escape is never shorter than what it stands for. */
  char *string = malloc((size_t)(value.end - value.start));
  if (string == NULL) {
    __builtin_trap();
  }
  char *out = string;
  for (const char *at = value.start + 1; at < end;) {
    if (*at == '\\' && at + 1 < end) {
      at = unescape(at + 1, end, &out);
    } else {
      *out++ = *at++;
    }
  }
  *out = '\0';
  return string;
}

bool serin_json_is(serin_json value, const char *string) {
  char *decoded = serin_json_string(value);
  bool same = decoded != NULL && strcmp(decoded, string) == 0;
  free(decoded);
  return same;
}

bool serin_json_number(serin_json value, double *number) {
  char digits[64];
  size_t length = (size_t)(value.end - value.start);
  bool begins = length > 0 && (*value.start == '-' || (*value.start >= '0' && *value.start <= '9'));
  if (!begins || length >= sizeof digits) {
    return false;
  }
  memcpy(digits, value.start, length);
  digits[length] = '\0';
  *number = strtod(digits, NULL);
  return true;
}

bool serin_json_boolean(serin_json value, bool *boolean) {
  size_t length = (size_t)(value.end - value.start);
  *boolean = length == 4 && memcmp(value.start, "true", 4) == 0;
  return *boolean || (length == 5 && memcmp(value.start, "false", 5) == 0);
}

bool serin_json_is_something(serin_json value) {
  size_t length = (size_t)(value.end - value.start);
  return length > 0 && !(length == 4 && memcmp(value.start, "null", 4) == 0);
}

char *serin_concat(const char *first, ...) {
  va_list strings;
  size_t length = 1;
  va_start(strings, first);
  for (const char *string = first; string != NULL; string = va_arg(strings, const char *)) {
    length += strlen(string);
  }
  va_end(strings);
  char *all = malloc(length);
  if (all == NULL) {
    __builtin_trap();
  }
  char *out = all;
  va_start(strings, first);
  for (const char *string = first; string != NULL; string = va_arg(strings, const char *)) {
    size_t part = strlen(string);
    memcpy(out, string, part);
    out += part;
  }
  va_end(strings);
  *out = '\0';
  return all;
}
