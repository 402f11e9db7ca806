"""An asyncio-native SDK for the Novita AI cloud.

The public names are said here once and loaded when they are asked for: importing the package imports next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from . import errors
    from .client import AsyncNovita, run
    from .config import Limits, RetryPolicy, Settings, Timeouts
    from .errors import NovitaError
    from .llm.accumulate import ChatAccumulator
    from .runtime.budget import Budget
    from .simulator import Simulator
    from .transport.middleware import Middleware, log_requests
    from .transport.mock import MockTransport
    from .transport.protocol import Reply, Request, Response, Transport

__all__ = [
    "AsyncNovita",
    "Budget",
    "ChatAccumulator",
    "Limits",
    "Middleware",
    "MockTransport",
    "NovitaError",
    "Reply",
    "Request",
    "Response",
    "RetryPolicy",
    "Settings",
    "Simulator",
    "Timeouts",
    "Transport",
    "__version__",
    "errors",
    "log_requests",
    "run",
]

_HOME = {
    "AsyncNovita": "client",
    "Budget": "runtime.budget",
    "ChatAccumulator": "llm.accumulate",
    "Limits": "config",
    "Middleware": "transport.middleware",
    "MockTransport": "transport.mock",
    "NovitaError": "errors",
    "Reply": "transport.protocol",
    "Request": "transport.protocol",
    "Response": "transport.protocol",
    "RetryPolicy": "config",
    "Settings": "config",
    "Simulator": "simulator",
    "Timeouts": "config",
    "Transport": "transport.protocol",
    "log_requests": "transport.middleware",
    "run": "client",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module(".errors", __name__)
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
