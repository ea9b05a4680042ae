package serin

import "slices"

// How many recent groups are searched for one that an effect can join.
const recent = 16

// Severity is how bad an alert is.
type Severity uint8

const (
	// Info: worth knowing.
	Info Severity = iota
	// Low: worth a look some time.
	Low
	// Medium: worth a look today.
	Medium
	// High: worth a look now.
	High
	// Critical: wake somebody.
	Critical
)

// Outcome collects what a plugin makes of the events of a frame; each method speaks of the current event.
type Outcome struct {
	drops       []drop
	annotations []annotation
	findings    []*Finding
	requests    []request
	// Index of the event that it is about.
	event uint32
}

type drop struct {
	events []uint32
	reason string
}

type annotation struct {
	events     []uint32
	key, value string
}

type request struct {
	event  uint32
	action Action
}

// Event is the index of the current event in its frame.
func (outcome *Outcome) Event() uint32 {
	return outcome.event
}

// Drop removes the event: later plugins and sinks don't see it. The agent counts drops by reason, so use few reasons,
// of at most 64 bytes.
func (outcome *Outcome) Drop(reason string) {
	groups := outcome.drops
	for back := len(groups) - 1; back >= max(0, len(groups)-recent); back-- {
		if groups[back].reason == reason {
			groups[back].events = append(groups[back].events, outcome.event)
			return
		}
	}
	outcome.drops = append(groups, drop{[]uint32{outcome.event}, reason})
}

// Annotate attaches a key and value to the event. A key is 1 to 64 of `a-z 0-9 . _ - /`; a value is cut after 4096
// bytes.
func (outcome *Outcome) Annotate(key, value string) {
	// Events come in bursts: the same key and value for many of them cross the boundary once.
	groups := outcome.annotations
	for back := len(groups) - 1; back >= max(0, len(groups)-recent); back-- {
		if groups[back].key == key && groups[back].value == value {
			groups[back].events = append(groups[back].events, outcome.event)
			return
		}
	}
	outcome.annotations = append(groups, annotation{[]uint32{outcome.event}, key, value})
}

// Alert raises a finding on the event. What is returned takes more of it.
func (outcome *Outcome) Alert(severity Severity, title string) *Finding {
	finding := &Finding{event: outcome.event, severity: severity, title: title}
	outcome.findings = append(outcome.findings, finding)
	return finding
}

// Request asks for an action because of the event. The pipeline file must grant it.
func (outcome *Outcome) Request(action Action) {
	outcome.requests = append(outcome.requests, request{outcome.event, action})
}

// Finding is an alert that is raised already.
type Finding struct {
	event            uint32
	severity         Severity
	title, rule, key string
	techniques       []string
	fields           []Pair
}

// Pair is a name and a value: a field of an alert, or a header of a request.
type Pair struct {
	Name, Value string
}

// Rule says which rule found it, if the plugin has several; at most 128 bytes.
func (finding *Finding) Rule(rule string) *Finding {
	finding.rule = rule
	return finding
}

// Technique names a MITRE ATT&CK technique, for example `T1036.005`; at most 8.
func (finding *Finding) Technique(technique string) *Finding {
	finding.techniques = append(finding.techniques, technique)
	return finding
}

// Key says what it is about: alerts with the same key are about the same thing. Without one: those of the same rule
// and binary.
func (finding *Finding) Key(key string) *Finding {
	finding.key = key
	return finding
}

// Field adds a further fact, at most 32; keys as in an annotation.
func (finding *Finding) Field(key, value string) *Finding {
	finding.fields = append(finding.fields, Pair{key, value})
	return finding
}

// Action is something that reaches out of the host; the pipeline file must grant it.
type Action struct {
	http    bool
	post    bool
	target  string
	headers []Pair
	body    []byte
}

// DNS is a look-up of a name, or of a record and a name, like `TXT a.example`.
func DNS(name string) Action {
	return Action{target: name}
}

// Get is an HTTP GET.
func Get(url string, headers ...Pair) Action {
	return Action{http: true, target: url, headers: slices.Clone(headers)}
}

// Post is an HTTP POST.
func Post(url string, body []byte, headers ...Pair) Action {
	return Action{http: true, post: true, target: url, headers: slices.Clone(headers), body: slices.Clone(body)}
}
