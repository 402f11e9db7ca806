"""Agent sandboxes: machines of their own that come in a moment, run commands, keep files, and go."""

from .builds import Build, BuildLog
from .command import Command
from .commands import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT, Commands, ProcessInfo
from .control import Lifecycle, Network, SandboxInfo, VolumeMount
from .envd import SandboxStream
from .files import EntryInfo, Files, WrittenFile
from .handle import SandboxHandle
from .keeping import Opening
from .metrics import Event, LogEntry, LogLine, Metric, Quota, QuotaUsage
from .output import CommandResult, Gap, Output
from .pool import Pool, Taken
from .ports import PortAnswer, PortSocket
from .ready import wait_for_file, wait_for_port, wait_for_process, wait_for_timeout, wait_for_url
from .sandboxes import Sandboxes
from .secrets import Secret, Secrets
from .session import Sandbox
from .snapshots import Snapshot, Snapshots
from .teams import Team, TeamMetric, TeamPeak, Teams
from .template import Template
from .templates import TaggedBuild, TemplateBuild, TemplateInfo, Templates, TemplateTag
from .volumes import Volume, Volumes

__all__ = [
    "KEEPALIVE_INTERVAL",
    "KEEPALIVE_LIMIT",
    "Build",
    "BuildLog",
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
    "Pool",
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
    "TaggedBuild",
    "Taken",
    "Team",
    "TeamMetric",
    "TeamPeak",
    "Teams",
    "Template",
    "TemplateBuild",
    "TemplateInfo",
    "TemplateTag",
    "Templates",
    "Volume",
    "VolumeMount",
    "Volumes",
    "WrittenFile",
    "wait_for_file",
    "wait_for_port",
    "wait_for_process",
    "wait_for_timeout",
    "wait_for_url",
]
