// A few facts that the agent keeps for the plugin. A plugin that imports this needs `grants: { kv: {} }`.
//
// They outlive the instance, which a failure costs the plugin, and are there for a new version of it; they end with the
// agent.
import kv from "serin:plugin/kv@0.1.0";

/** The value of a key, as bytes; null if it is not there or its time has passed. */
export function get(key) {
  return kv.get(key);
}

/** Writes bytes, for so many milliseconds, or for good; throws `too-large`, or `full` if there is no room. */
export function set(key, value, milliseconds = 0) {
  kv.set(key, value, milliseconds);
}

/** Removes a key; whether it was there. */
export function remove(key) {
  return kv.delete(key);
}
