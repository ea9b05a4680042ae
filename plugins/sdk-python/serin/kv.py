"""A few facts that the agent keeps for the plugin. A plugin that imports this needs `grants: { kv: {} }`.

They outlive the instance, which a failure costs the plugin, and are there for a
new version of it; they end with the agent.
"""

from __future__ import annotations

from componentize_py_types import Err
from wit_world.imports import kv


class Refused(Exception):
    """Nothing was written: the key or value is too large, or there is no room."""


def get(key: str) -> bytes | None:
    """The value of a key, if it is there and its time has not passed."""
    return kv.get(key)


def put(key: str, value: bytes, milliseconds: int = 0) -> None:
    """Writes a value, for so many milliseconds; 0: for good."""
    try:
        kv.set(key, value, milliseconds)
    except Err as error:
        raise Refused(error.value.name) from error


def delete(key: str) -> bool:
    """Removes a key; whether it was there."""
    return kv.delete(key)
