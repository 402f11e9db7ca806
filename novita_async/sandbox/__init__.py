"""Agent sandboxes: machines of their own that come in a moment, run commands, keep files, and go."""

from .command import Command
from .commands import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT, Commands, ProcessInfo
from .control import Lifecycle, Network, SandboxInfo, VolumeMount
from .envd import SandboxStream
from .files import EntryInfo, Files, WrittenFile
from .handle import SandboxHandle
from .keeping import Opening
from .metrics import Event, LogEntry, LogLine, Metric, Quota, QuotaUsage
from .output import CommandResult, Gap, Output
from .ports import PortAnswer, PortSocket
from .sandboxes import Sandboxes
from .secrets import Secret, Secrets
from .session import Sandbox
from .snapshots import Snapshot, Snapshots
from .volumes import Volume, Volumes

__all__ = [
    "KEEPALIVE_INTERVAL",
    "KEEPALIVE_LIMIT",
    "Command",
    "CommandResult",
    "Commands",
    "EntryInfo",
    "Event",
    "Files",
    "Gap",
    "Lifecycle",
    "LogEntry",
    "LogLine",
    "Metric",
    "Network",
    "Opening",
    "Output",
    "PortAnswer",
    "PortSocket",
    "ProcessInfo",
    "Quota",
    "QuotaUsage",
    "Sandbox",
    "SandboxHandle",
    "SandboxInfo",
    "SandboxStream",
    "Sandboxes",
    "Secret",
    "Secrets",
    "Snapshot",
    "Snapshots",
    "Volume",
    "VolumeMount",
    "Volumes",
    "WrittenFile",
]
