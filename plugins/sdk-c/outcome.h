/* Between the parts of the SDK. */
#ifndef SERIN_OUTCOME_H
#define SERIN_OUTCOME_H

#include "serin.h"
#include "serin_wit.h"

struct serin_outcome {
  serin_plugin_types_outcome_t effects;
  /* Index of the event that it is about. */
  uint32_t event;
};

/* A copy that the bindings free. */
serin_wit_string_t serin_copy(serin_text text);

/* Room for one more element behind `count` of them. */
void *serin_grow(void *elements, size_t count, size_t size);

#endif
