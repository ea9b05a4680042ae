/* The configuration: JSON, read in place. */
#ifndef SERIN_CONFIG_H
#define SERIN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* A value; its type is told by its first character: `{` `[` `"` a digit or `-`, `t` or `f`, `n`. */
typedef struct {
  const char *start;
  const char *end;
} serin_json;

/* Members of an object, or elements of an array, yet to come. */
typedef struct {
  const char *at;
  const char *end;
} serin_json_list;

/* An object's member; false if there is none of this name, or the value is no object. */
bool serin_json_member(serin_json object, const char *name, serin_json *member);

/* An array's elements, or an object's members; none if the value is neither. */
serin_json_list serin_json_list_of(serin_json value);

/* The next element of an array; false at its end. */
bool serin_json_next(serin_json_list *list, serin_json *element);

/* The next member of an object; false at its end. The name is a JSON string. */
bool serin_json_next_member(serin_json_list *list, serin_json *name, serin_json *member);

/* A string, decoded; NULL if the value is none. It is the caller's to free or to keep. */
char *serin_json_string(serin_json value);

/* Whether the value is this string. */
bool serin_json_is(serin_json value, const char *string);

/* A number; false if the value is none. */
bool serin_json_number(serin_json value, double *number);

/* `true` or `false`; false if the value is neither. */
bool serin_json_boolean(serin_json value, bool *boolean);

/* Whether there is a value: it is not `null`. */
bool serin_json_is_something(serin_json value);

/* Strings one after the other, the last of them NULL: what a message is made of. It is the caller's. */
char *serin_concat(const char *first, ...);

#endif
