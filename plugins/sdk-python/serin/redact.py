"""Masks parts of events' texts, for everything behind the plugin.

A plugin that imports this needs `grants: { redact: true }`, and should have
`onFailure: drop`: what it did not see, it did not mask.
"""

from __future__ import annotations

from enum import Enum

from wit_world.imports import redact as host

from .outcome import Outcome


class Place(Enum):
    """A list of texts of an event."""

    # An argument of the process.
    PROCESS_ARGUMENT = host.Place_ProcessArgument
    # An argument of its parent.
    PARENT_ARGUMENT = host.Place_ParentArgument
    # An argument of the hook that is a string, bytes or a file; what its `data` has read counts on.
    HOOK_ARGUMENT = host.Place_HookArgument


def mask(outcome: Outcome, place: Place, index: int, text: str, start: int = 0, end: int | None = None) -> None:
    """Hides a part of a text of the current event, which is the one at `index` of its list, from 0.

    `text` is the argument as it was read, `start` and `end` are positions in it,
    as in a slice. It becomes `[redacted]`; the event gets an annotation
    `redacted` that names the text. The agent checks what is asked for when the
    call has ended, as it does with effects.
    """
    first, last, _ = slice(start, end).indices(len(text))
    host.mask(outcome._event, place.value(index), len(text[:first].encode()), len(text[:last].encode()))
