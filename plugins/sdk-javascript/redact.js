// Masks parts of events' texts, for everything behind the plugin. A plugin that imports this needs
// `grants: { redact: true }`, and should have `onFailure: drop`: what it did not see, it did not mask.
import redact from "serin:plugin/redact@0.1.0";

/**
 * Hides a part of a text of the current event: of the argument at `index`, from 0, of the process
 * (`process-argument`), of its parent (`parent-argument`) or of the hook (`hook-argument`: strings, bytes and files; what
 * its `data` has read counts on). `text` is the argument as it was read, `start` and `end` are positions in it, as in
 * `slice`.
 *
 * It becomes `[redacted]`, a character of which a part is meant as a whole; the event gets an annotation `redacted` that
 * names the text. The agent checks what is asked for when the call has ended, as it does with effects.
 */
export function mask(outcome, place, index, text, start = 0, end = text.length) {
  redact.mask(outcome.event, { tag: place, val: index }, bytes(text.slice(0, start)), bytes(text.slice(0, end)));
}

/** How many there are in UTF-8; half a character counts more than none and less than the whole. */
function bytes(text) {
  let count = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    count += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return count;
}
