"""Lines in the agent's own log. A plugin that imports this needs `grants: { log: true }`."""

from wit_world.imports.log import Level, write


def debug(message: str) -> None:
    """For the plugin's author."""
    write(Level.DEBUG, message)


def info(message: str) -> None:
    """For the operator."""
    write(Level.INFO, message)


def warn(message: str) -> None:
    """The plugin goes on, but the operator should act."""
    write(Level.WARN, message)


def error(message: str) -> None:
    """The plugin can't do its work."""
    write(Level.ERROR, message)
