"""The time, in whole milliseconds. A plugin that imports this needs `grants: { clock: true }`.

Where recorded events are played, it is that of the last tick.
"""

from wit_world.imports import clock


def wall() -> int:
    """Nanoseconds since the Unix epoch. It goes back when the host's clock is set back."""
    return clock.wall()


def monotonic() -> int:
    """Nanoseconds since a moment before the plugin's instance was first called. It never goes back."""
    return clock.monotonic()
