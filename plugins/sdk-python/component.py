"""What componentize-py starts from: the class that exports the author's plugin."""

from plugin import Plugin
from serin import frames

Frames = frames(Plugin)
