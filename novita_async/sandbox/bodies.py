"""The bodies of the calls that make and change sandboxes, checked before a byte leaves (contract/sandbox.md 2, 9)."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, get_args

from ..errors import ValidationError
from ..runtime.arguments import check_timeout, given
from .arguments import check_strings, is_host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .volumes import Volume

__all__ = [
    "ON_EXIT",
    "CreateParams",
    "OnExit",
    "OnTimeout",
    "check_choice",
    "check_count",
    "labels_of",
    "lifecycle",
    "mount",
    "mount_path",
    "mounts",
    "network",
    "volume_name",
]

#: What leaving the `async with` of a sandbox does with it.
OnExit: TypeAlias = Literal["kill", "pause", "leave"]
#: What becomes of a sandbox at the end of its lifetime.
OnTimeout: TypeAlias = Literal["kill", "pause"]

ON_EXIT = get_args(OnExit)
_ON_TIMEOUT = get_args(OnTimeout)

_VOLUME = re.compile(r"[a-zA-Z0-9_-]+")


class CreateParams(TypedDict, total=False):
    """What `Sandboxes.create` takes and a pool passes on."""

    image: str | None
    on_timeout: OnTimeout
    auto_resume: bool
    idle_timeout: float | None
    long_running: bool | None
    metadata: Mapping[str, str] | None
    envs: Mapping[str, str] | None
    secrets: Mapping[str, str] | None
    secure: bool
    allow_internet_access: bool
    allow_out: Sequence[str] | None
    deny_out: Sequence[str] | None
    allow_public_traffic: bool | None
    mask_request_host: str | None
    volume_mounts: Mapping[str, str | Volume] | None
    mcp: Mapping[str, Any] | None
    node_id: str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: float | None


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse a value that is not one of those there are."""
    if value not in choices:
        raise ValidationError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_count(name: str, value: object, least: int = 0) -> None:
    """Refuse what is not a whole number from `least` on."""
    if type(value) is not int or value < least or value >= 2**31:
        raise ValidationError(f"{name} must be a whole number from {least} on, got {value!r}")


def lifecycle(on_timeout: str, auto_resume: bool) -> dict[str, Any]:
    """What becomes of a sandbox at the end of its lifetime."""
    check_choice("on_timeout", on_timeout, _ON_TIMEOUT)
    if on_timeout == "kill":
        if auto_resume:
            raise ValidationError('auto_resume needs on_timeout="pause": what was killed cannot be resumed')
        return {"autoPause": False}
    return {"autoPause": True, "autoResume": {"enabled": auto_resume}}


def labels_of(
    metadata: Mapping[str, str] | None, idle_timeout: float | None, long_running: bool | None
) -> dict[str, str]:
    """The labels of a sandbox, with the two that the platform acts on."""
    labels = check_strings("metadata", metadata)
    for name, value in (("idle_timeout", idle_timeout), ("long_running", long_running)):
        if value is not None and name in labels:
            raise ValidationError(f"{name} is given twice, also in metadata")
    if idle_timeout is not None:
        if idle_timeout != 0:
            check_timeout(idle_timeout, "idle_timeout")
        labels["idle_timeout"] = str(math.ceil(idle_timeout))
    if long_running is not None:
        labels["long_running"] = "true" if long_running else "false"
    return labels


def network(
    *,
    allow_out: Sequence[str] | None = None,
    deny_out: Sequence[str] | None = None,
    allow_public_traffic: bool | None = None,
    mask_request_host: str | None = None,
) -> dict[str, Any]:
    """The rules of a network, those that are given.

    Args:
        allow_out: IP addresses, CIDR ranges, host names or `*.host`.
        deny_out: IP addresses or CIDR ranges.
        allow_public_traffic: whether ports are open to all.
        mask_request_host: the host that services see; `${PORT}` stands for the port.
    """
    problems: list[str] = []
    for name, rules, hosts in (("allow_out", allow_out, True), ("deny_out", deny_out, False)):
        if isinstance(rules, str):
            problems.append(f"{name} must be a list of addresses, got text")
            continue
        for rule in rules or ():
            if not _is_rule(rule, hosts):
                kinds = "an IP address, a CIDR range or a host name" if hosts else "an IP address or a CIDR range"
                problems.append(f"{name}: {rule!r} is not {kinds}")
    if mask_request_host is not None and not is_host(mask_request_host.replace("${PORT}", "1")):
        problems.append(f"mask_request_host must be a host name, got {mask_request_host!r}")
    if problems:
        raise ValidationError(*problems)
    return given(
        allowOut=None if allow_out is None else list(allow_out),
        denyOut=None if deny_out is None else list(deny_out),
        allowPublicTraffic=allow_public_traffic,
        maskRequestHost=mask_request_host,
    )


def mount(path: str, volume: object) -> dict[str, str]:
    """A volume, by its name or as it was read, at a path."""
    return {"name": volume_name(getattr(volume, "name", volume)), "path": mount_path(path)}


def volume_name(name: object) -> str:
    """The name of a volume."""
    if not isinstance(name, str) or not _VOLUME.fullmatch(name):
        raise ValidationError(f"a volume's name is made of letters, digits, _ and -, got {name!r}")
    return name


def mount_path(path: object) -> str:
    """Where a volume is mounted."""
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        raise ValidationError(f"a volume is mounted at an absolute path, got {path!r}")
    return path


def mounts(volumes: Mapping[str, object] | None) -> list[dict[str, str]] | None:
    """Volumes by the paths that they are mounted at."""
    return [mount(path, volume) for path, volume in volumes.items()] if volumes else None


def _is_rule(rule: object, hosts: bool) -> bool:
    if not isinstance(rule, str):
        return False
    try:
        ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return hosts and is_host(rule.removeprefix("*.")) and ":" not in rule
    return True
