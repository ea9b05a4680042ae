/** How many recent groups are searched for one that an effect can join. */
const RECENT = 16;

/** Collects what a plugin makes of the events of a frame; each method speaks of the current event. */
export class Outcome {
  constructor() {
    this.effects = { drops: [], annotations: [], alerts: [], actions: [] };
    this.event = 0;
  }

  /**
   * Removes the event: later plugins and sinks don't see it. The agent counts drops by reason, so use few reasons, of
   * at most 64 bytes.
   */
  drop(reason) {
    this.#join(this.effects.drops, (drop) => drop.reason === reason, { reason });
  }

  /** Attaches a key and value to the event. A key is 1 to 64 of `a-z 0-9 . _ - /`; a value is cut after 4096 bytes. */
  annotate(key, value) {
    const same = (annotation) => annotation.key === key && annotation.value === value;
    this.#join(this.effects.annotations, same, { key, value });
  }

  /**
   * Raises a finding on the event: `info`, `low`, `medium`, `high` or `critical`. What is returned takes more of it.
   */
  alert(severity, title) {
    const alert = { event: this.event, severity, title, rule: "", techniques: [], key: "", fields: [] };
    this.effects.alerts.push(alert);
    return new AlertBuilder(alert);
  }

  /** Requests an action, of `dns`, `get` or `post`, because of the event. The pipeline file must grant it. */
  request(action) {
    this.effects.actions.push({ event: this.event, action });
  }

  /** Events come in bursts: the same effect on many of them crosses the boundary once. */
  #join(groups, isSame, group) {
    const found = groups.slice(-RECENT).find(isSame);
    if (found) found.events.push(this.event);
    else groups.push({ events: [this.event], ...group });
  }
}

/** Says more about an alert that is raised already. */
class AlertBuilder {
  #alert;

  constructor(alert) {
    this.#alert = alert;
  }

  /** Which rule found it, if the plugin has several; at most 128 bytes. */
  rule(rule) {
    this.#alert.rule = rule;
    return this;
  }

  /** A MITRE ATT&CK technique, for example `T1036.005`; at most 8. */
  technique(technique) {
    this.#alert.techniques.push(technique);
    return this;
  }

  /** Alerts with the same key are about the same thing. Without one: those of the same rule and binary. */
  key(key) {
    this.#alert.key = key;
    return this;
  }

  /** A further fact, at most 32; keys as in an annotation. */
  field(key, value) {
    this.#alert.fields.push([key, value]);
    return this;
  }
}

/** A look-up of a name, or of a record and a name, like `TXT a.example`; the pipeline file must grant it. */
export function dns(name) {
  return { tag: "dns", val: name };
}

/** An HTTP GET; the pipeline file must grant it. */
export function get(url, headers = {}) {
  return http("get", url, headers, new Uint8Array());
}

/** An HTTP POST of bytes; the pipeline file must grant it. */
export function post(url, headers, body) {
  return http("post", url, headers, body);
}

function http(method, url, headers, body) {
  return { tag: "http", val: { method, url, headers: Object.entries(headers), body } };
}
