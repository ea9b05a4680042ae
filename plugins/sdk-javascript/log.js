// Lines in the agent's own log. A plugin that imports this needs `grants: { log: true }`.
import log from "serin:plugin/log@0.1.0";

/** For the plugin's author. */
export function debug(message) {
  log.write("debug", message);
}

/** For the operator. */
export function info(message) {
  log.write("info", message);
}

/** The plugin goes on, but the operator should act. */
export function warn(message) {
  log.write("warn", message);
}

/** The plugin can't do its work. */
export function error(message) {
  log.write("error", message);
}
