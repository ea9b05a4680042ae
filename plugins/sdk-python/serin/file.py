"""Files of the host. A plugin that imports this needs `grants: { file: [PATH, …] }`, with the exact path of each."""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import file


class Refused(Exception):
    """Nothing was read, and why: NOT_GRANTED, MISSING, NOT_REGULAR, TOO_LARGE or UNREADABLE."""


def read(path: str) -> bytes:
    """All of a file."""
    try:
        return file.read(path)
    except Err as error:
        raise Refused(error.value.name) from error
