// The time, in whole milliseconds. A plugin that imports this needs `grants: { clock: true }`. Where recorded events are
// played, it is that of the last tick.
import clock from "serin:plugin/clock@0.1.0";

const NANOSECONDS = 1_000_000;

/** Milliseconds since the Unix epoch. It goes back when the host's clock is set back. */
export function wall() {
  return Math.round(Number(clock.wall()) / NANOSECONDS);
}

/** Milliseconds since a moment before the plugin's instance was first called. It never goes back. */
export function monotonic() {
  return Math.round(Number(clock.monotonic()) / NANOSECONDS);
}
