// Files of the host. A plugin that imports this needs `grants: { file: [PATH, …] }`, with the exact path of each.
import file from "serin:plugin/file@0.1.0";

/** All of a file, as bytes; throws `not-granted`, `missing`, `not-regular`, `too-large` or `unreadable`. */
export function read(path) {
  return file.read(path);
}
