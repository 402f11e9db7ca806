"""What a sandbox may reach: the rules of its network, and this machine's own addresses, which are not for it.

A rule names an address, a range of them or, among those that allow, a host: `example.com`, or `*.example.com` for what
is below it. What is allowed wins over what is denied, and what no rule names may be reached
(contract/sandbox.openapi.yaml, SandboxNetworkConfig). Addresses that are not public, and those of this machine, are
reached only where a rule allows that very address or a range of such: in the cloud a sandbox does not reach its
developer's network either.
"""

from __future__ import annotations

import socket
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EVERYTHING", "Address", "allowed", "is_hopeless", "matches", "resolve"]

Address: TypeAlias = IPv4Address | IPv6Address
_Range: TypeAlias = IPv4Network | IPv6Network

#: In both versions of addresses: there is no other way to say it.
EVERYTHING = "0.0.0.0/0"
#: Where networks without IPv4 have all of it (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")


async def resolve(host: str, limiter: anyio.CapacityLimiter) -> list[Address]:
    """Find the addresses of a host, as this machine does; a number in any form is its address. None: [].

    A caller that is cancelled leaves the question to a thread that nobody waits for.
    """
    ask = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    try:
        found = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=limiter)
    except (OSError, UnicodeError):
        return []
    addresses = dict.fromkeys(ip_address(str(each[4][0])) for each in found)
    return [_plain(address) for address in addresses]


def allowed(host: str, address: Address, allow: Iterable[str], deny: Iterable[str]) -> bool:
    """Tell whether an address, found for a host or named itself, may be reached.

    Args:
        host: as it was asked for, in lower case.
        allow: hosts, addresses and ranges.
        deny: addresses and ranges.
    """
    hosts, ranges = _sorted(allow)
    meant = _meant(address)
    named = [each for each in ranges if any(_within(one, each) for one in meant)]
    if not all(_is_public(one) for one in meant):
        return any(not each.is_global for each in named)
    if _is_ours(address):
        return any(each.num_addresses == 1 for each in named)
    if named or any(matches(each, host) for each in hosts):
        return True
    _, denied = _sorted(deny)
    return not any(_within(one, each) for one in meant for each in denied)


def is_hopeless(host: str, allow: Iterable[str], deny: Iterable[str]) -> bool:
    """Whether no address of a host may be reached. Then it is not even asked for: a question goes far, too."""
    hosts, ranges = _sorted(allow)
    return EVERYTHING in deny and not ranges and not any(matches(each, host) for each in hosts)


def matches(pattern: str, host: str) -> bool:
    """Whether a host is the one of a pattern, or below it where the pattern begins with `*.`."""
    pattern = pattern.lower().rstrip(".")
    return host.endswith(pattern[1:]) and host != pattern[1:] if pattern.startswith("*.") else host == pattern


def _sorted(rules: Iterable[str]) -> tuple[list[str], list[_Range]]:
    hosts: list[str] = []
    ranges: list[_Range] = []
    for rule in rules:
        try:
            ranges.append(ip_network(rule, strict=False))
        except ValueError:
            hosts.append(rule)
    return hosts, ranges


def _within(address: Address, range_: _Range) -> bool:
    return str(range_) == EVERYTHING or address in range_


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _meant(address: Address) -> list[Address]:
    """Every address at which something may end that is sent to this one."""
    if isinstance(address, IPv4Address):
        return [address]
    if address in _TRANSLATED:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address] if address.sixtofour is None else [address, address.sixtofour]


def _is_public(address: Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _is_ours(address: Address) -> bool:
    """Whether it is an address of this machine, also a public one."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))  # which nobody may with another's
        except OSError:
            return False
    return True
