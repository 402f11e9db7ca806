"""Runs a program that takes every name under localhost for this machine, as is the standard: `python at_home.py FILE`.

Many systems do not know such names.
"""

from __future__ import annotations

import runpy
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def knowing_localhost(look_up: Callable[..., Any]) -> Callable[..., Any]:
    """`getaddrinfo`, and it knows them."""

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return look_up("127.0.0.1" if name and name.endswith(".localhost") else host, *arguments, **named)

    return getaddrinfo


if __name__ == "__main__":
    socket.getaddrinfo = knowing_localhost(socket.getaddrinfo)
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
