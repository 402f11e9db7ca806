"""Tools for testing with and against the SDK: a clock that jumps, transport conformance, pytest fixtures."""

from .clock import JumpClock

__all__ = ["JumpClock"]
