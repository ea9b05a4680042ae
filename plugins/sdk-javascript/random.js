// Random bytes, which nobody can foretell. A plugin that imports this needs `grants: { random: true }`. Where recorded events
// are played, they are the same each time.
import random from "serin:plugin/random@0.1.0";

/** So many bytes, at most 4096: to ask for more is a failure of the plugin. */
export function bytes(count) {
  return random.bytes(count);
}
