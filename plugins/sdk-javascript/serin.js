// Write plugins for serin in JavaScript: events in, effects out.
//
// A plugin runs in a sandbox without files, network or clock. `serin plugin new
// NAME --lang js` makes one, docs/plugin-guide.md says the rest.

import { records } from "./frame.js";
import { Outcome } from "./outcome.js";
import { Argument, Event, KINDS, SCHEMA } from "./views.js";

export { dns, get, post } from "./outcome.js";

/** What happened, as in the JSON output: `process_exec` for example; `unknown` if only a newer agent knows it. */
Object.defineProperty(Event.prototype, "kind", {
  get() {
    return KINDS[this.kindCode] ?? "unknown";
  },
});

/** For an alert: what it was raised on happened. */
Object.defineProperty(Event.prototype, "trigger", {
  get() {
    return KINDS[this.triggerCode] ?? "unknown";
  },
});

/** The codes of strings, bytes and files; see `typeCode`. */
const STRINGS = new Set([5, 6, 8, 9, 11]);

/** The string, the bytes as text or the file's path, if the argument is one of them; else null. */
Argument.prototype.string = function () {
  return STRINGS.has(this.typeCode) ? this.text : null;
};

/** A field of a structure by its name in JSON, such as `daddr`; null if it has no such field, or that is 0 or empty. */
Argument.prototype.field = function (key) {
  return this.fields.find((field) => field.key === key)?.value ?? null;
};

/**
 * What a component exports, as `export const frames = plugin({…})`:
 *
 * - `name`, `version`: for messages.
 * - `kinds`: the kinds of events that it is for; all of them if left out. Others cost nothing.
 * - `policies`: restricts the events of policies' hooks to these policies; `*` matches any run of characters.
 * - `binaries`, `namespaces`: restrict the events that have a process to those of these programs, by path, and of pods in
 *   these namespaces; patterns again.
 * - `arguments`: restricts the events of policies' hooks by their arguments: `[{ index: 0, values: ["/etc/*"] }]`; with
 *   `field`, by a field of a structure, such as `daddr`.
 * - `configure(config)`: takes the pipeline entry's `config`. An error that it throws is for the operator, who is to
 *   read what is wrong and what to write instead; the agent doesn't start.
 * - `onEvent(event, outcome)`: looks at one event. Leaving `outcome` alone lets it pass unchanged.
 * - `onTick(now)`: called about once a second with the time in nanoseconds since the Unix epoch, rounded to a number's
 *   53 bits; gives the actions to request.
 * - `flush()`: called once, when the agent ends or another version takes the plugin's place; gives the last actions to
 *   request.
 */
export function plugin(definition) {
  const { name, version, kinds = [], policies = [], binaries = [], namespaces = [] } = definition;
  const { configure, onEvent, onTick, flush } = definition;
  const predicates = (definition.arguments ?? []).map((predicate) => ({ field: "", ...predicate }));
  const subscription = { kinds, policies, binaries, namespaces, arguments: predicates };
  return {
    init(config) {
      try {
        configure?.(JSON.parse(config));
      } catch (error) {
        throw error instanceof Error ? error.message : String(error);
      }
      return { name, version, schema: SCHEMA, subscription };
    },
    onFrame(frame) {
      const outcome = new Outcome();
      for (const event of records(frame, Event)) {
        onEvent(event, outcome);
        outcome.event += 1;
      }
      return outcome.effects;
    },
    onTick(now) {
      return onTick?.(now) ?? [];
    },
    flush() {
      return flush?.() ?? [];
    },
  };
}
