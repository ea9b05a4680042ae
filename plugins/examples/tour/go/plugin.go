// Uses everything that the SDK has: what it reads it says in annotations.
package main

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"serin.dev/serin"
	"serin.dev/serin/clock"
	"serin.dev/serin/file"
	"serin.dev/serin/hash"
	"serin.dev/serin/kv"
	"serin.dev/serin/log"
	"serin.dev/serin/random"
	"serin.dev/serin/redact"
)

// Values with a space between them.
func words(first []any, rest iter.Seq[string]) string {
	texts := make([]string, len(first))
	for index, value := range first {
		texts[index] = fmt.Sprint(value)
	}
	return strings.Join(slices.AppendSeq(texts, rest), " ")
}

func none(func(string) bool) {}

func argument(given serin.Argument) string {
	if text, found := given.String(); found {
		return given.Label() + ":" + text
	}
	return fmt.Sprintf("%s:%d", given.Label(), int64(given.Integer()))
}

func describePod(process serin.Process, outcome *serin.Outcome) {
	pod, found := process.Pod()
	if !found || pod.Name() == "" {
		return
	}
	values := []any{pod.Namespace(), pod.Name(), pod.ContainerID(), pod.ContainerName(), pod.Image()}
	for label := range pod.Labels() {
		values = append(values, label.Key()+"="+label.Value())
	}
	outcome.Annotate("pod", words(values, none))
}

func describe(event serin.Event, outcome *serin.Outcome) {
	if process, found := event.Process(); found {
		values := []any{process.PID(), process.UID(), process.Binary()}
		outcome.Annotate("process", words(values, process.Arguments()))
		describePod(process, outcome)
		maskSize(process, outcome)
	}
	if parent, found := event.Parent(); found {
		outcome.Annotate("parent", words([]any{parent.PID(), parent.Binary()}, none))
	}
	if exit, found := event.Exit(); found {
		outcome.Annotate("exit", words([]any{exit.Status(), exit.Signal()}, none))
	}
	if loss, found := event.Loss(); found {
		outcome.Annotate("loss", words([]any{loss.CPU(), loss.Count()}, none))
	}
	if result, found := event.ActionResult(); found {
		said := words([]any{result.Target()}, result.Addresses())
		outcome.Annotate("result", fmt.Sprint(said, " ", result.Duration()))
	}
	if kprobe, found := event.Kprobe(); found {
		describeKprobe(kprobe, outcome)
	}
}

// What stands behind `größe=` in an argument.
func maskSize(process serin.Process, outcome *serin.Outcome) {
	const name = "größe="
	index := 0
	for argument := range process.Arguments() {
		if strings.HasPrefix(argument, name) {
			redact.Mask(outcome, redact.ProcessArgument, index, len(name), len(argument))
		}
		index++
	}
}

func describeKprobe(kprobe serin.Kprobe, outcome *serin.Outcome) {
	if hook, found := kprobe.Hook(); found {
		said := words([]any{hook.FunctionName(), hook.PolicyName(), hook.Message()}, hook.Tags())
		outcome.Annotate("hook", words([]any{said}, hook.Actions()))
	}
	outcome.Annotate("arguments", words(nil, func(yield func(string) bool) {
		for each := range kprobe.Arguments() {
			if !yield(argument(each)) {
				return
			}
		}
	}))
	if returned, found := kprobe.Returned(); found {
		outcome.Annotate("returned", argument(returned))
	}
}

// How many events there were, kept by the agent.
func count() byte {
	now := byte(1)
	if before, found := kv.Get("count"); found {
		now = before[0] + 1
	}
	if err := kv.Set("count", []byte{now}); err != nil {
		panic(err)
	}
	return now
}

// Of a program that is not there, as of no process.
func digest(pid uint32, path string) string {
	for range 1000 {
		known, err := hash.Program(pid, path)
		if err == nil {
			return known.SHA256
		}
		if !errors.Is(err, hash.ErrPending) {
			return "refused"
		}
	}
	return "pending"
}

func content(path string) string {
	bytes, err := file.Read(path)
	if err != nil {
		return "refused"
	}
	return strings.TrimSpace(string(bytes))
}

func reportLink(outcome *serin.Outcome) {
	outcome.Alert(serin.Medium, "a link").Rule("links").Technique("T1222").Key("link").Field("path", "/tmp/x")
	outcome.Request(serin.DNS("abc.example.com"))
	header := serin.Pair{Name: "content-type", Value: "text/plain"}
	outcome.Request(serin.Post("https://example.com/hook", []byte("hi"), header))
	outcome.Annotate("files", content("/proc/sys/kernel/ostype")+" "+content("/etc/passwd"))
	outcome.Annotate("digest", digest(4294967295, "/nonexistent"))
	outcome.Annotate("clock", fmt.Sprint(clock.Wall().UnixMilli(), " ", clock.Monotonic().Milliseconds()))
	outcome.Annotate("random", strings.Trim(fmt.Sprint(random.Bytes(4)), "[]"))
}

func onEvent(event serin.Event, outcome *serin.Outcome) {
	node, _ := event.Node()
	outcome.Annotate("event", words([]any{event.Kind(), node.Name(), event.Time(), count()}, none))
	describe(event, outcome)
	if process, _ := event.Process(); process.Binary() == "/bin/drop" {
		outcome.Drop("tour")
	}
	if event.Kind() == serin.KindProcessKprobe {
		reportLink(outcome)
	}
	log.Info(event.Kind().String())
}

func onTick(now uint64) []serin.Action {
	if now == 0 {
		return nil
	}
	return []serin.Action{serin.Get("https://example.com/tick")}
}

func flush() []serin.Action {
	return []serin.Action{serin.Get("https://example.com/flush")}
}

func init() {
	serin.Export(serin.Plugin{
		Name:    "tour",
		Version: "0.1.0",
		Kinds: []serin.Kind{
			serin.KindProcessExec, serin.KindProcessExit, serin.KindProcessKprobe, serin.KindProcessLsm, serin.KindLoss,
			serin.KindActionResult,
		},
		Policies:   []string{"links", "open*"},
		Binaries:   []string{"/usr/bin/*", "/bin/*"},
		Namespaces: []string{"sh*"},
		Arguments:  []serin.ArgumentPredicate{{Index: 0, Values: []string{"/etc/passwd", "/etc/h*"}}},
		OnEvent:    onEvent,
		OnTick:     onTick,
		Flush:      flush,
	})
}

func main() {}
