"""Random bytes, which nobody can foretell. A plugin that imports this needs `grants: { random: true }`.

Where recorded events are played, they are the same each time.
"""

import builtins

from wit_world.imports import random as host


def bytes(count: int) -> builtins.bytes:
    """So many bytes, at most 4096: to ask for more is a failure of the plugin."""
    return host.bytes(count)
