// Digests of programs. A plugin that imports this needs `grants: { hash: {} }`.
import hash from "serin:plugin/hash@0.1.0";

/**
 * What is known of the program that a process runs, whose path is `path`: `{ tag: "known", val: { sha256, ofProcess } }`,
 * `{ tag: "pending" }`, then ask again at the next event, or `{ tag: "refused", val: "missing" }` and the like.
 */
export function program(pid, path) {
  return hash.program(pid, path);
}
