"""Agent sandboxes: machines of their own that come in a moment, run commands, keep files, and go."""

from .command import Command
from .commands import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT, Commands
from .control import SandboxInfo
from .envd import SandboxStream
from .files import EntryInfo, Files, WrittenFile
from .output import CommandResult, Output
from .sandboxes import Sandboxes
from .session import Opening, Sandbox

__all__ = [
    "KEEPALIVE_INTERVAL",
    "KEEPALIVE_LIMIT",
    "Command",
    "CommandResult",
    "Commands",
    "EntryInfo",
    "Files",
    "Opening",
    "Output",
    "Sandbox",
    "SandboxInfo",
    "SandboxStream",
    "Sandboxes",
    "WrittenFile",
]
