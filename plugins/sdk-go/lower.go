package serin

import "serin.dev/serin/internal/abi"

// The records of wit/plugin.wit as they lie in memory.

type loweredOutcome struct {
	drops, annotations, alerts, actions abi.List
}

type loweredDrop struct {
	events, reason abi.List
}

type loweredAnnotation struct {
	events, key, value abi.List
}

type loweredAlert struct {
	event                                uint32
	severity                             Severity
	title, rule, techniques, key, fields abi.List
}

type loweredPair struct {
	name, value abi.List
}

// A variant: of a look-up, the name lies at its start, of a request, the method.
type loweredAction struct {
	tag uint8
	// The name's address, or the method.
	first uint32
	// The name's length, or the URL's address.
	second uint32
	// The URL's length.
	third         uint32
	headers, body abi.List
}

type loweredRequest struct {
	event  uint32
	action loweredAction
}

type loweredInfo struct {
	isError                         uint32
	name, version                   abi.List
	schema                          uint32
	kinds, policies                 abi.List
	binaries, namespaces, arguments abi.List
}

type loweredPredicate struct {
	index         uint32
	field, values abi.List
}

const (
	tagHTTP = 0
	tagDNS  = 1
)

func (outcome *Outcome) lower(result *abi.Result) *loweredOutcome {
	drops := make([]loweredDrop, len(outcome.drops))
	for index, drop := range outcome.drops {
		drops[index] = loweredDrop{abi.Lower(result, drop.events), abi.LowerText(result, drop.reason)}
	}
	annotations := make([]loweredAnnotation, len(outcome.annotations))
	for index, annotation := range outcome.annotations {
		key, value := abi.LowerText(result, annotation.key), abi.LowerText(result, annotation.value)
		annotations[index] = loweredAnnotation{abi.Lower(result, annotation.events), key, value}
	}
	alerts := make([]loweredAlert, len(outcome.findings))
	for index, finding := range outcome.findings {
		alerts[index] = finding.lower(result)
	}
	requests := make([]loweredRequest, len(outcome.requests))
	for index, request := range outcome.requests {
		requests[index] = loweredRequest{request.event, request.action.lower(result)}
	}
	return &loweredOutcome{
		drops:       abi.Lower(result, drops),
		annotations: abi.Lower(result, annotations),
		alerts:      abi.Lower(result, alerts),
		actions:     abi.Lower(result, requests),
	}
}

func (finding *Finding) lower(result *abi.Result) loweredAlert {
	return loweredAlert{
		event:      finding.event,
		severity:   finding.severity,
		title:      abi.LowerText(result, finding.title),
		rule:       abi.LowerText(result, finding.rule),
		techniques: abi.LowerTexts(result, finding.techniques),
		key:        abi.LowerText(result, finding.key),
		fields:     lowerPairs(result, finding.fields),
	}
}

func (action Action) lower(result *abi.Result) loweredAction {
	address, length := abi.LowerText(result, action.target).Parts()
	if !action.http {
		return loweredAction{tag: tagDNS, first: address, second: length}
	}
	lowered := loweredAction{tag: tagHTTP, second: address, third: length}
	if action.post {
		lowered.first = 1
	}
	lowered.headers = lowerPairs(result, action.headers)
	lowered.body = abi.Lower(result, action.body)
	return lowered
}

func lowerPairs(result *abi.Result, pairs []Pair) abi.List {
	lowered := make([]loweredPair, len(pairs))
	for index, pair := range pairs {
		lowered[index] = loweredPair{abi.LowerText(result, pair.Name), abi.LowerText(result, pair.Value)}
	}
	return abi.Lower(result, lowered)
}

func lowerPredicates(result *abi.Result, predicates []ArgumentPredicate) abi.List {
	lowered := make([]loweredPredicate, len(predicates))
	for index, predicate := range predicates {
		field, values := abi.LowerText(result, predicate.Field), abi.LowerTexts(result, predicate.Values)
		lowered[index] = loweredPredicate{predicate.Index, field, values}
	}
	return abi.Lower(result, lowered)
}
