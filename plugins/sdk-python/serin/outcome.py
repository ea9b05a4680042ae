"""What a plugin makes of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from wit_world.imports import types

Severity = types.Severity
Action = types.Action

# How many recent groups are searched for one that an effect can join.
_RECENT = 16

_Group = TypeVar("_Group", types.Drop, types.Annotation)


class Outcome:
    """Collects what a plugin makes of the events of a frame; each method speaks of the current event."""

    def __init__(self) -> None:
        self._effects = types.Outcome([], [], [], [])
        self._event = 0

    def drop(self, reason: str) -> None:
        """Removes the event: later plugins and sinks don't see it.

        The agent counts drops by reason, so use few reasons, of at most 64 bytes.
        """
        self._join(self._effects.drops, lambda drop: drop.reason == reason, lambda: types.Drop([], reason))

    def annotate(self, key: str, value: str) -> None:
        """Attaches a key and value to the event.

        A key is 1 to 64 of `a-z 0-9 . _ - /`; a value is cut after 4096 bytes.
        """
        self._join(
            self._effects.annotations,
            lambda annotation: annotation.key == key and annotation.value == value,
            lambda: types.Annotation([], key, value),
        )

    def alert(self, severity: Severity, title: str) -> AlertBuilder:
        """Raises a finding on the event; what is returned takes more of it."""
        alert = types.Alert(self._event, severity, title, "", [], "", [])
        self._effects.alerts.append(alert)
        return AlertBuilder(alert)

    def request(self, action: Action) -> None:
        """Requests an action, of `dns`, `get` or `post`, because of the event. The pipeline file must grant it."""
        self._effects.actions.append(types.ActionRequest(self._event, action))

    def _join(self, groups: list[_Group], is_same: Callable[[_Group], bool], make: Callable[[], _Group]) -> None:
        """Events come in bursts: the same effect on many of them crosses the boundary once."""
        group = next(filter(is_same, reversed(groups[-_RECENT:])), None)
        if group is None:
            group = make()
            groups.append(group)
        group.events.append(self._event)


class AlertBuilder:
    """Says more about an alert that is raised already."""

    def __init__(self, alert: types.Alert) -> None:
        self._alert = alert

    def rule(self, rule: str) -> AlertBuilder:
        """Which rule found it, if the plugin has several; at most 128 bytes."""
        self._alert.rule = rule
        return self

    def technique(self, technique: str) -> AlertBuilder:
        """A MITRE ATT&CK technique, for example `T1036.005`; at most 8."""
        self._alert.techniques.append(technique)
        return self

    def key(self, key: str) -> AlertBuilder:
        """Alerts with the same key are about the same thing. Without one: those of the same rule and binary."""
        self._alert.key = key
        return self

    def field(self, key: str, value: str) -> AlertBuilder:
        """A further fact, at most 32; keys as in an annotation."""
        self._alert.fields.append((key, value))
        return self


def dns(name: str) -> Action:
    """A look-up of a name, or of a record and a name, like `TXT a.example`; the pipeline file must grant it."""
    return types.Action_Dns(name)


def get(url: str, headers: Mapping[str, str] | None = None) -> Action:
    """An HTTP GET; the pipeline file must grant it."""
    return _http(types.Method.GET, url, headers, b"")


def post(url: str, headers: Mapping[str, str] | None, body: bytes) -> Action:
    """An HTTP POST; the pipeline file must grant it."""
    return _http(types.Method.POST, url, headers, body)


def _http(method: types.Method, url: str, headers: Mapping[str, str] | None, body: bytes) -> Action:
    return types.Action_Http(types.HttpRequest(method, url, list((headers or {}).items()), body))
