"""Novita on your own machine, to develop and test against."""

from .app import Received, Script, Served, Simulator
from .faults import Drop, Edit, Fault, Hang, Outcome, Refuse, Slow, Stage, Stream
from .router import json_reply

__all__ = [
    "Drop",
    "Edit",
    "Fault",
    "Hang",
    "Outcome",
    "Received",
    "Refuse",
    "Script",
    "Served",
    "Simulator",
    "Slow",
    "Stage",
    "Stream",
    "json_reply",
]
