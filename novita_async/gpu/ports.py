"""Ports, which the GPU APIs write in five ways (contract/gpu.md 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .checks import Findings

__all__ = ["Port", "PortLike", "grouped", "parsed"]

_TEXT = re.compile(r"(\d{1,5})/(tcp|http)")
_RESERVED = (2222, 2223, 2224)
_MOST = 15


class Port(msgspec.Struct, frozen=True):
    """A port of an instance, as it is asked for and as it is told.

    Attributes:
        port: its number inside the instance.
        protocol: "tcp" or "http".
        endpoint: where it is reached from outside: an address for http, host and port for tcp. In details only, only
            while the instance runs, and another one after every start.

    Example:
        await novita.gpu.instances.create(product, image="nginx", ports=[Port(80, "http"), "22/tcp"])
    """

    port: int
    protocol: str = msgspec.field(default="tcp", name="type")
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


#: A port as calls take it: `Port(80, "http")` or "80/http".
PortLike: TypeAlias = "Port | str"


def parsed(ports: Sequence[PortLike], findings: Findings, *, tools: int = 0) -> list[Port]:
    """Ports of a caller, each problem among the findings.

    Args:
        ports: what was given.
        findings: where problems go.
        tools: how many built-in tools take a port of their own.
    """
    if isinstance(ports, str):
        findings.add(f"ports must be a list such as ['80/http'], got the text {ports!r}")
        return []
    if len(ports) + tools > _MOST:
        findings.add(f"at most 15 ports, got {len(ports) + tools}{' with those of tools' if tools else ''}")
    found: list[Port] = []
    for given in ports:
        match = _TEXT.fullmatch(str(given))
        if match is None or not 1 <= int(match[1]) <= 65535:
            findings.add(f"a port is a number and tcp or http, such as '80/http', got {str(given)!r}")
        elif int(match[1]) in _RESERVED:
            findings.add(f"port {match[1]} is reserved by the platform")
        else:
            found.append(Port(int(match[1]), match[2]))
    if len({port.port for port in found}) < len(found):
        findings.add("a port is there twice")
    return found


def grouped(ports: Sequence[Port]) -> list[dict[str, Any]]:
    """Ports as templates of v1 have them: lists of numbers by protocol."""
    by: dict[str, list[int]] = {}
    for port in ports:
        by.setdefault(port.protocol, []).append(port.port)
    return [{"type": protocol, "ports": numbers} for protocol, numbers in by.items()]
