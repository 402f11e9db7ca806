"""Sandboxes on this machine: an E2B-compatible control plane and envd over real processes and real files."""

from .control import Sandboxes
from .isolation import IsolationWarning

__all__ = ["IsolationWarning", "Sandboxes"]
