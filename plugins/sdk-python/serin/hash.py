"""Digests of programs. A plugin that imports this needs `grants: { hash: {} }`."""

from __future__ import annotations

from dataclasses import dataclass

from wit_world.imports import hash as host


@dataclass
class Digest:
    """A program's digest; if not `of_process`, of what the host has at the path now."""

    sha256: str
    of_process: bool


class Pending(Exception):
    """It is being made: ask again at the next event."""


class Refused(Exception):
    """There is none, and why: MISSING, NOT_REGULAR, TOO_LARGE or UNREADABLE."""


def program(pid: int, path: str) -> Digest:
    """The digest of the program that a process runs, whose path is `path`."""
    answer = host.program(pid, path)
    if isinstance(answer, host.Answer_Known):
        return Digest(answer.value.sha256, answer.value.of_process)
    if isinstance(answer, host.Answer_Refused):
        raise Refused(answer.value.name)
    raise Pending
