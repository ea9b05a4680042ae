// Uses everything that the SDK has: what it reads it says in annotations.
import { dns, get, plugin, post } from "./build/sdk/serin.js";
import * as clock from "./build/sdk/clock.js";
import * as file from "./build/sdk/file.js";
import * as hash from "./build/sdk/hash.js";
import * as kv from "./build/sdk/kv.js";
import * as log from "./build/sdk/log.js";
import * as random from "./build/sdk/random.js";
import * as redact from "./build/sdk/redact.js";

function argument(argument) {
  const value = argument.string() ?? BigInt.asIntN(64, argument.integer);
  return `${argument.label}:${value}`;
}

function describe(event, say) {
  const { process, parent, kprobe, exit, loss, actionResult } = event;
  if (process) say("process", [process.pid, process.uid, process.binary, ...process.arguments]);
  if (process?.pod?.name) {
    const { namespace, name, containerId, containerName, image, labels } = process.pod;
    say("pod", [namespace, name, containerId, containerName, image, ...labels.map(({ key, value }) => `${key}=${value}`)]);
  }
  if (parent) say("parent", [parent.pid, parent.binary]);
  if (exit) say("exit", [exit.status, exit.signal]);
  if (loss) say("loss", [loss.cpu, loss.count]);
  if (actionResult) say("result", [actionResult.target, ...actionResult.addresses, actionResult.duration]);
  if (kprobe) {
    const { hook } = kprobe;
    say("hook", [hook.functionName, hook.policyName, hook.message, ...hook.tags, ...hook.actions]);
    say("arguments", kprobe.arguments.map(argument));
    if (kprobe.returned) say("returned", [argument(kprobe.returned)]);
  }
}

/** What stands behind `größe=` in an argument. */
function maskSize(process, outcome) {
  const name = "größe=";
  process.arguments.forEach((text, index) => {
    if (text.startsWith(name)) redact.mask(outcome, "process-argument", index, text, name.length);
  });
}

/** How many events there were, kept by the agent. */
function count() {
  const before = kv.get("count");
  const now = before === null ? 1 : before[0] + 1;
  kv.set("count", new Uint8Array([now]));
  return now;
}

/** Of a program that is not there, as of no process. */
function digest(pid, path) {
  for (let tries = 0; tries < 1000; tries++) {
    const answer = hash.program(pid, path);
    if (answer.tag === "known") return answer.val.sha256;
    if (answer.tag === "refused") return "refused";
  }
  return "pending";
}

function content(path) {
  try {
    return String.fromCharCode(...file.read(path));
  } catch {
    return "refused";
  }
}

function onEvent(event, outcome) {
  outcome.annotate("event", [event.kind, event.node?.name ?? "", event.time, count()].join(" "));
  describe(event, (key, values) => outcome.annotate(key, values.join(" ")));
  if (event.process) maskSize(event.process, outcome);
  if (event.process?.binary === "/bin/drop") outcome.drop("tour");
  if (event.kind === "process_kprobe") {
    outcome.alert("medium", "a link").rule("links").technique("T1222").key("link").field("path", "/tmp/x");
    outcome.request(dns("abc.example.com"));
    outcome.request(post("https://example.com/hook", { "content-type": "text/plain" }, new Uint8Array([104, 105])));
    outcome.annotate("files", `${content("/proc/sys/kernel/ostype").trim()} ${content("/etc/passwd")}`);
    outcome.annotate("digest", digest(4294967295, "/nonexistent"));
    outcome.annotate("clock", `${clock.wall()} ${clock.monotonic()}`);
    outcome.annotate("random", Array.from(random.bytes(4)).join(" "));
  }
  log.info(event.kind);
}

export const frames = plugin({
  name: "tour",
  version: "0.1.0",
  kinds: ["process_exec", "process_exit", "process_kprobe", "process_lsm", "loss", "action_result"],
  policies: ["links", "open*"],
  binaries: ["/usr/bin/*", "/bin/*"],
  namespaces: ["sh*"],
  arguments: [{ index: 0, values: ["/etc/passwd", "/etc/h*"] }],
  onEvent,
  onTick(now) {
    return now > 0 ? [get("https://example.com/tick")] : [];
  },
  flush() {
    return [get("https://example.com/flush")];
  },
});
