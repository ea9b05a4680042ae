// Package serin writes plugins for serin in Go: events in, effects out.
//
// A plugin runs in a sandbox without files, network or clock. `serin plugin new
// NAME --lang go` makes one, docs/plugin-guide.md says the rest.
package serin

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"unsafe"

	"serin.dev/serin/internal/abi"
)

// Plugin is what a component is.
type Plugin struct {
	// Name and version, for messages.
	Name, Version string
	// The kinds of events that it is for; all of them if left out. Others cost nothing.
	Kinds []Kind
	// Restricts the events of policies' hooks to these policies; `*` matches any run of characters.
	Policies []string
	// Restrict the events that have a process to those of these programs, by path, and of pods in these namespaces;
	// patterns again.
	Binaries, Namespaces []string
	// Restricts the events of policies' hooks by their arguments.
	Arguments []ArgumentPredicate
	// Takes the pipeline entry's `config` as JSON; see Decode. An error is for the operator, who is to read what is
	// wrong and what to write instead; the agent doesn't start.
	Configure func(config []byte) error
	// Looks at one event. Leaving the outcome alone lets it pass unchanged.
	OnEvent func(event Event, outcome *Outcome)
	// Called about once a second with the time in nanoseconds since the Unix epoch; gives the actions to request.
	OnTick func(now uint64) []Action
	// Called once, when the agent ends or another version takes the plugin's place; likewise.
	Flush func() []Action
}

// ArgumentPredicate is what an argument must be.
type ArgumentPredicate struct {
	// Position among the event's arguments, from 0.
	Index uint32
	// The field of a structure, such as `daddr`; empty: the argument itself.
	Field string
	// What it may be: patterns.
	Values []string
}

var (
	exported Plugin
	// What the last call returned: the agent reads it when the call has ended.
	returned *abi.Result
)

// Export makes the plugin that of this component. To be called in `init`.
func Export(plugin Plugin) {
	exported = plugin
}

// Decode reads a configuration. A field that the type doesn't have is an error.
func Decode(config []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// Kind tells what happened; one without a name if only a newer agent knows it.
func (event Event) Kind() Kind {
	return Kind(event.KindCode())
}

// Trigger tells, for an alert, what it was raised on.
func (event Event) Trigger() Kind {
	return Kind(event.TriggerCode())
}

// String gives the string, the bytes as text or the file's path, if the argument is one of them.
func (argument Argument) String() (string, bool) {
	switch argument.TypeCode() {
	case 5, 6, 8, 9, 11:
		return argument.Text(), true
	}
	return "", false
}

// Field gives a field of a structure by its name in JSON, such as `daddr`; none if it has no such field, or that is 0
// or empty.
func (argument Argument) Field(key string) (string, bool) {
	for field := range argument.Fields() {
		if field.Key() == key {
			return field.Value(), true
		}
	}
	return "", false
}

//go:wasmexport serin:plugin/frames@0.1.0#init
func start(config unsafe.Pointer, length uint32) unsafe.Pointer {
	text := abi.Bytes(config, length)
	returned = &abi.Result{}
	if exported.Configure != nil {
		if err := exported.Configure(text); err != nil {
			message := abi.LowerText(returned, err.Error())
			return abi.Pointer(returned, &loweredInfo{isError: 1, name: message})
		}
	}
	kinds := make([]string, len(exported.Kinds))
	for index, kind := range exported.Kinds {
		kinds[index] = kind.String()
	}
	return abi.Pointer(returned, &loweredInfo{
		name:       abi.LowerText(returned, exported.Name),
		version:    abi.LowerText(returned, exported.Version),
		schema:     Schema,
		kinds:      abi.LowerTexts(returned, kinds),
		policies:   abi.LowerTexts(returned, exported.Policies),
		binaries:   abi.LowerTexts(returned, exported.Binaries),
		namespaces: abi.LowerTexts(returned, exported.Namespaces),
		arguments:  lowerPredicates(returned, exported.Arguments),
	})
}

//go:wasmexport serin:plugin/frames@0.1.0#on-frame
func onFrame(frame unsafe.Pointer, length uint32) unsafe.Pointer {
	var outcome Outcome
	for event := range records(abi.Bytes(frame, length)) {
		exported.OnEvent(event, &outcome)
		outcome.event++
	}
	returned = &abi.Result{}
	return abi.Pointer(returned, outcome.lower(returned))
}

//go:wasmexport serin:plugin/frames@0.1.0#on-tick
func onTick(now uint64) unsafe.Pointer {
	if exported.OnTick == nil {
		return lowerActions(nil)
	}
	return lowerActions(exported.OnTick(now))
}

//go:wasmexport serin:plugin/frames@0.1.0#flush
func flush() unsafe.Pointer {
	if exported.Flush == nil {
		return lowerActions(nil)
	}
	return lowerActions(exported.Flush())
}

func lowerActions(actions []Action) unsafe.Pointer {
	returned = &abi.Result{}
	lowered := make([]loweredAction, len(actions))
	for index, action := range actions {
		lowered[index] = action.lower(returned)
	}
	list := abi.Lower(returned, lowered)
	return abi.Pointer(returned, &list)
}
