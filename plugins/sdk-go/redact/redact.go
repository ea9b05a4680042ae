// Package redact masks parts of events' texts, for everything behind the plugin. A plugin that uses it needs
// `grants: { redact: true }`, and should have `onFailure: drop`: what it did not see, it did not mask.
package redact

import "serin.dev/serin"

// Place is a list of texts of an event.
type Place uint32

const (
	// ProcessArgument is an argument of the process.
	ProcessArgument Place = iota
	// ParentArgument is an argument of its parent.
	ParentArgument
	// HookArgument is an argument of the hook that is a string, bytes or a file; what its `data` has read counts on.
	HookArgument
)

//go:wasmimport serin:plugin/redact@0.1.0 mask
func mask(event, place, index, start, end uint32)

// Mask hides the bytes from `start` to before `end` of a text of the current event, which is the one at `index` of its
// list, from 0. They become `[redacted]`, a character of which a part is meant as a whole; the event gets an annotation
// `redacted` that names the text. The agent checks what is asked for when the call has ended, as it does with effects.
func Mask(outcome *serin.Outcome, place Place, index, start, end int) {
	mask(outcome.Event(), uint32(place), uint32(index), uint32(start), uint32(end))
}
