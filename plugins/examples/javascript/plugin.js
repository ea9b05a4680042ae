// Raises an alert when a program is run from a folder that anybody can write to.
import { plugin } from "./build/sdk/serin.js";

/** Folders that no program should be run from; each ends with a slash. */
let folders = [];

function configure(config) {
  const unknown = Object.keys(config ?? {}).find((key) => key !== "folders");
  if (unknown !== undefined) throw new Error(`unknown field \`${unknown}\`, expected \`folders\``);
  if (!Array.isArray(config?.folders)) throw new Error("missing field `folders`");
  for (const folder of config.folders) {
    if (typeof folder !== "string") throw new Error("`folders`: not all of them are texts: write [/tmp/, /var/tmp/]");
    if (!folder.endsWith("/")) {
      throw new Error(`\`folders\`: \`${folder}\` has no slash at its end: write \`${folder}/\``);
    }
  }
  folders = config.folders;
}

function onEvent(event, outcome) {
  const binary = event.process?.binary ?? "";
  const folder = folders.find((folder) => binary.startsWith(folder));
  if (folder === undefined) return;
  const title = "a program was run from a folder that anybody can write to";
  outcome.alert("high", title).technique("T1036.005").field("folder", folder);
}

export const frames = plugin({
  name: "exec-watch",
  version: "0.1.0",
  kinds: ["process_exec"],
  configure,
  onEvent,
});
