"""Uses everything that the SDK has: what it reads it says in annotations."""

from collections.abc import Iterator

from serin import Argument, Event, Outcome, Severity, clock, dns, file, get, hash, kv, log, post, random, redact
from serin import Plugin as Base
from serin import argument as predicate


def argument(given: Argument) -> str:
    value = given.string
    if value is None:
        value = int.from_bytes(given.integer.to_bytes(8, "little"), "little", signed=True)
    return f"{given.label}:{value}"


def describe(event: Event, outcome: Outcome) -> None:
    def say(key: str, *values: object) -> None:
        outcome.annotate(key, " ".join(map(str, values)))

    if process := event.process:
        say("process", process.pid, process.uid, process.binary, *process.arguments)
        if (pod := process.pod) and pod.name:
            labels = (f"{label.key}={label.value}" for label in pod.labels)
            say("pod", pod.namespace, pod.name, pod.container_id, pod.container_name, pod.image, *labels)
    if parent := event.parent:
        say("parent", parent.pid, parent.binary)
    if exit := event.exit:
        say("exit", exit.status, exit.signal)
    if loss := event.loss:
        say("loss", loss.cpu, loss.count)
    if result := event.action_result:
        say("result", result.target, *result.addresses, result.duration)
    if kprobe := event.kprobe:
        hook = kprobe.hook
        say("hook", hook.function_name, hook.policy_name, hook.message, *hook.tags, *hook.actions)
        say("arguments", *map(argument, kprobe.arguments))
        if kprobe.returned:
            say("returned", argument(kprobe.returned))


def mask_size(arguments: Iterator[str], outcome: Outcome) -> None:
    """What stands behind `größe=` in an argument."""
    name = "größe="
    for index, text in enumerate(arguments):
        if text.startswith(name):
            redact.mask(outcome, redact.Place.PROCESS_ARGUMENT, index, text, len(name))


def count() -> int:
    """How many events there were, kept by the agent."""
    before = kv.get("count")
    now = before[0] + 1 if before else 1
    kv.put("count", bytes([now]))
    return now


def digest(pid: int, path: str) -> str:
    """Of a program that is not there, as of no process."""
    for _ in range(1000):
        try:
            return hash.program(pid, path).sha256
        except hash.Pending:
            pass
        except hash.Refused:
            return "refused"
    return "pending"


def content(path: str) -> str:
    try:
        return file.read(path).decode()
    except file.Refused:
        return "refused"


class Plugin(Base):
    name = "tour"
    version = "0.1.0"
    kinds = ["process_exec", "process_exit", "process_kprobe", "process_lsm", "loss", "action_result"]
    policies = ["links", "open*"]
    binaries = ["/usr/bin/*", "/bin/*"]
    namespaces = ["sh*"]
    arguments = [predicate(0, ["/etc/passwd", "/etc/h*"])]

    def on_event(self, event: Event, outcome: Outcome) -> None:
        node = event.node.name if event.node else ""
        outcome.annotate("event", f"{event.kind} {node} {event.time} {count()}")
        describe(event, outcome)
        if event.process:
            mask_size(event.process.arguments, outcome)
        if event.process and event.process.binary == "/bin/drop":
            outcome.drop("tour")
        if event.kind == "process_kprobe":
            alert = outcome.alert(Severity.MEDIUM, "a link")
            alert.rule("links").technique("T1222").key("link").field("path", "/tmp/x")
            outcome.request(dns("abc.example.com"))
            outcome.request(post("https://example.com/hook", {"content-type": "text/plain"}, b"hi"))
            outcome.annotate("files", f"{content('/proc/sys/kernel/ostype').strip()} {content('/etc/passwd')}")
            outcome.annotate("digest", digest(4294967295, "/nonexistent"))
            outcome.annotate("clock", f"{clock.wall() // 1_000_000} {clock.monotonic() // 1_000_000}")
            outcome.annotate("random", " ".join(map(str, random.bytes(4))))
        log.info(event.kind)

    def on_tick(self, now: int):
        return [get("https://example.com/tick")] if now > 0 else []

    def flush(self):
        return [get("https://example.com/flush")]
