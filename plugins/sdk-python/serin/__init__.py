"""Write plugins for serin in Python: events in, effects out.

A plugin runs in a sandbox without files, network or clock. `serin plugin new
NAME --lang python` makes one, docs/plugin-guide.md says the rest.
"""

from __future__ import annotations

import json
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types

from .frame import records
from .outcome import Action, AlertBuilder, Outcome, Severity, dns, get, post
from .views import KINDS, SCHEMA, Argument, Event

__all__ = [
    "Action",
    "AlertBuilder",
    "Argument",
    "ArgumentPredicate",
    "Event",
    "Outcome",
    "Plugin",
    "Severity",
    "argument",
    "dns",
    "get",
    "post",
]

# The codes of strings, bytes and files; see `Argument.type_code`.
_STRINGS = frozenset((5, 6, 8, 9, 11))


def _kind(event: Event) -> str:
    """What happened, as in the JSON output; `unknown` if only a newer agent knows it."""
    return KINDS.get(event.kind_code, "unknown")


def _trigger(event: Event) -> str:
    """For an alert: what it was raised on happened."""
    return KINDS.get(event.trigger_code, "unknown")


def _string(argument: Argument) -> str | None:
    """The string, the bytes as text or the file's path, if the argument is one of them."""
    return argument.text if argument.type_code in _STRINGS else None


def _field(argument: Argument, key: str) -> str | None:
    """A field of a structure by its name in JSON, such as `daddr`; None if it has none, or that is 0 or empty."""
    return next((field.value for field in argument.fields if field.key == key), None)


Event.kind = property(_kind)
Event.trigger = property(_trigger)
Argument.string = property(_string)
Argument.field = _field


ArgumentPredicate = types.ArgumentPredicate


def argument(index: int, values: list[str], field: str = "") -> ArgumentPredicate:
    """What the argument at a position, from 0, must be, or a field of it if it is a structure, such as `daddr`."""
    return ArgumentPredicate(index, field, values)


class Plugin:
    """A plugin: `plugin.py` has a subclass of it by the name of `Plugin`."""

    # Name and version, for messages.
    name: str
    version: str
    # The kinds of events that it is for; empty: all of them. Others cost nothing.
    kinds: list[str] = []
    # Restricts the events of policies' hooks to these policies; `*` matches any run of characters.
    policies: list[str] = []
    # Restrict the events that have a process to those of these programs, by path, and of pods in these namespaces;
    # patterns again.
    binaries: list[str] = []
    namespaces: list[str] = []
    # Restricts the events of policies' hooks by their arguments: `[argument(0, ["/etc/*"])]`.
    arguments: list[ArgumentPredicate] = []

    def __init__(self, config: Any) -> None:
        """Takes the pipeline entry's `config`.

        The message of a `ValueError` is for the operator, who is to read what
        is wrong and what to write instead; the agent doesn't start.
        """

    def on_event(self, event: Event, outcome: Outcome) -> None:
        """Looks at one event. Leaving `outcome` alone lets it pass unchanged."""
        raise NotImplementedError

    def on_tick(self, now: int) -> list[Action]:
        """Called about once a second with the time in nanoseconds since the Unix epoch; gives the actions to request."""
        return []

    def flush(self) -> list[Action]:
        """Called once, when the agent ends or another version takes the plugin's place; likewise."""
        return []


def frames(plugin: type[Plugin]) -> type[exports.Frames]:
    """What a component exports."""
    # Not an attribute: each call is one of a new object.
    running: Plugin

    class Frames(exports.Frames):
        def init(self, config: str) -> types.Info:
            nonlocal running
            try:
                running = plugin(json.loads(config))
            except ValueError as error:
                raise Err(str(error)) from error
            subscription = types.Subscription(
                plugin.kinds, plugin.policies, plugin.binaries, plugin.namespaces, plugin.arguments
            )
            return types.Info(plugin.name, plugin.version, SCHEMA, subscription)

        def on_frame(self, frame: bytes) -> types.Outcome:
            outcome = Outcome()
            on_event = running.on_event
            for event in records(frame, Event):
                on_event(event, outcome)
                outcome._event += 1
            return outcome._effects

        def on_tick(self, now: int) -> list[Action]:
            return running.on_tick(now)

        def flush(self) -> list[Action]:
            return running.flush()

    return Frames
