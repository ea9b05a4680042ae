"""Raises an alert when a program is run from a folder that anybody can write to."""

from serin import Event, Outcome, Severity
from serin import Plugin as Base


class Plugin(Base):
    name = "exec-watch"
    version = "0.1.0"
    kinds = ["process_exec"]

    def __init__(self, config):
        config = config or {}
        for key in config.keys() - {"folders"}:
            raise ValueError(f"unknown field `{key}`, expected `folders`")
        if not isinstance(config.get("folders"), list):
            raise ValueError("missing field `folders`")
        # Folders that no program should be run from; each ends with a slash.
        self.folders = config["folders"]
        for folder in self.folders:
            if not isinstance(folder, str):
                raise ValueError("`folders`: not all of them are texts: write [/tmp/, /var/tmp/]")
            if not folder.endswith("/"):
                raise ValueError(f"`folders`: `{folder}` has no slash at its end: write `{folder}/`")

    def on_event(self, event: Event, outcome: Outcome) -> None:
        process = event.process
        binary = process.binary if process else ""
        for folder in self.folders:
            if binary.startswith(folder):
                title = "a program was run from a folder that anybody can write to"
                outcome.alert(Severity.HIGH, title).technique("T1036.005").field("folder", folder)
                return
