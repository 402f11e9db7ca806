"""Agent sandboxes: machines of their own that come in a moment, run commands, keep files, and go."""

from .builds import Build, BuildLog
from .charts import (
    BarChart,
    BarData,
    BoxAndWhiskerChart,
    BoxAndWhiskerData,
    Chart,
    LineChart,
    PieChart,
    PieData,
    PointChart,
    PointData,
    ScatterChart,
    SuperChart,
)
from .code import Code, CodeContext
from .code_stream import CodeStream
from .command import Command
from .commands import KEEPALIVE_INTERVAL, KEEPALIVE_LIMIT, Commands, ProcessInfo
from .control import Lifecycle, Network, SandboxInfo, VolumeMount
from .desktop import Desktop, Point, Size
from .envd import SandboxStream
from .execution import Execution, ExecutionError, Logs, Result
from .files import EntryInfo, Files, Tree, TreeProgress, WrittenFile
from .git import Git, GitBranches, GitFile, GitStatus
from .handle import SandboxHandle
from .hosting import Deployment, Project, ProjectDatabase, ProjectEvent, Projects
from .keeping import Opening
from .mcp import Mcp
from .metrics import Event, LogEntry, LogLine, Metric, Quota, QuotaUsage
from .output import CommandResult, Gap, Output
from .pool import Pool, Taken
from .ports import PortAnswer, PortSocket
from .pty import Pty, PtyResult, Terminals
from .ready import wait_for_file, wait_for_port, wait_for_process, wait_for_timeout, wait_for_url
from .sandboxes import Sandboxes
from .secrets import Secret, Secrets
from .session import Sandbox
from .snapshots import Snapshot, Snapshots
from .teams import Team, TeamMetric, TeamPeak, Teams
from .template import Template
from .templates import TaggedBuild, TemplateBuild, TemplateInfo, Templates, TemplateTag
from .volumes import Volume, Volumes
from .watch import FileWatch, WatchEvent

__all__ = [
    "KEEPALIVE_INTERVAL",
    "KEEPALIVE_LIMIT",
    "BarChart",
    "BarData",
    "BoxAndWhiskerChart",
    "BoxAndWhiskerData",
    "Build",
    "BuildLog",
    "Chart",
    "Code",
    "CodeContext",
    "CodeStream",
    "Command",
    "CommandResult",
    "Commands",
    "Deployment",
    "Desktop",
    "EntryInfo",
    "Event",
    "Execution",
    "ExecutionError",
    "FileWatch",
    "Files",
    "Gap",
    "Git",
    "GitBranches",
    "GitFile",
    "GitStatus",
    "Lifecycle",
    "LineChart",
    "LogEntry",
    "LogLine",
    "Logs",
    "Mcp",
    "Metric",
    "Network",
    "Opening",
    "Output",
    "PieChart",
    "PieData",
    "Point",
    "PointChart",
    "PointData",
    "Pool",
    "PortAnswer",
    "PortSocket",
    "ProcessInfo",
    "Project",
    "ProjectDatabase",
    "ProjectEvent",
    "Projects",
    "Pty",
    "PtyResult",
    "Quota",
    "QuotaUsage",
    "Result",
    "Sandbox",
    "SandboxHandle",
    "SandboxInfo",
    "SandboxStream",
    "Sandboxes",
    "ScatterChart",
    "Secret",
    "Secrets",
    "Size",
    "Snapshot",
    "Snapshots",
    "SuperChart",
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
    "Terminals",
    "Tree",
    "TreeProgress",
    "Volume",
    "VolumeMount",
    "Volumes",
    "WatchEvent",
    "WrittenFile",
    "wait_for_file",
    "wait_for_port",
    "wait_for_process",
    "wait_for_timeout",
    "wait_for_url",
]
