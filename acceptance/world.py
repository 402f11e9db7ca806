"""A world in which the platform is at its real addresses, and the platform is the simulator.

It is a network namespace of its own, made by bubblewrap: nothing gets out of it, so nothing that runs in it can reach
the real platform. Its name server knows the hosts of the platform; the simulator listens on port 443 for those of
sandboxes, with a certificate that the world trusts, and a server of two lines stands in for the one public site that
the platform's own tests ask. The command finds all that without a single setting but its API key.

Meant to be run by `enter`, which is what makes the namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import netlink
import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

DOMAIN = "us-phx-1.sandbox.novita.ai"
HOSTING = "artifact.novita.ai"
SITE = "sandbox.novita.ai"
# Of the public internet and in a network of its own, or a sandbox would rightly not get there.
SITE_ADDRESS, WAY_THERE = "20.30.40.50", "20.30.40.1"
LOOPBACK = "127.0.0.1"
_ROOT = ("--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL")
_BUBBLE = ("bwrap", *_ROOT, "--unshare-net", "--dev-bind", "/", "/", "--die-with-parent")
_START_SECONDS = 30.0
_PIPE = asyncio.subprocess.PIPE


# ------------------------------------------------------------------------------------------------ from outside


def is_possible() -> bool:
    """Whether this machine has bubblewrap, and allows it namespaces."""
    return bool(shutil.which("bwrap")) and subprocess.run([*_BUBBLE, "true"], capture_output=True).returncode == 0


def enter(command: list[str], directory: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    """Say how to run a command in such a world.

    Args:
        directory: an empty one, which it may fill.
        **variables: of its environment.

    Returns:
        The arguments and the whole environment of a process.
    """
    servers = directory / "resolv.conf"
    servers.write_text(f"nameserver {LOOPBACK}\n")
    switch = directory / "nsswitch.conf"
    switch.write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    args = [*_BUBBLE]
    for file in (servers, switch):
        args += ["--ro-bind", str(file), os.path.realpath(f"/etc/{file.name}")]
    # Nothing of this machine's proxies and settings gets in.
    env = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR") if name in os.environ}
    return [*args, "--", sys.executable, __file__, str(directory), *command], env | variables


# ------------------------------------------------------------------------------------------------- from inside


async def live(directory: Path, command: list[str]) -> int:
    """Run a command in the world and return its exit code."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate = authority.issue_cert(f"*.{DOMAIN}", HOSTING, SITE)
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    with (directory / "certificate.pem").open("wb") as file:
        file.writelines(pem.bytes() for pem in certificate.cert_chain_pems)
    names, _ = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=(LOOPBACK, 53))
    async with _site(directory), _simulator(directory) as key:
        settings = {"NOVITA_API_KEY": key, "SSL_CERT_FILE": str(directory / "ca.pem")}
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **settings}, stdin=asyncio.subprocess.DEVNULL
        )
        code = await process.wait()
    names.close()
    return code


@contextlib.asynccontextmanager
async def _site(directory: Path) -> AsyncGenerator[None]:
    """Serve the public site as long as the context is open."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", sys.executable, __file__, str(directory)), stdin=_PIPE, stdout=_PIPE
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            assert process.stdin is not None
            assert process.stdout is not None
            await process.stdout.readline()
            netlink.connect("world", "site", process.pid)
            netlink.add_address("world", WAY_THERE)
            netlink.set_up("world")
            process.stdin.write(b"connected\n")
            await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def _simulator(directory: Path) -> AsyncGenerator[str]:
    """Serve it as long as the context is open; yield its API key."""
    args = [
        "-m",
        "novita_async",
        "simulator",
        "--host",
        LOOPBACK,
        "--port",
        "443",
        "--require-isolation",
    ]
    args += ["--tls-cert", str(directory / "certificate.pem"), "--tls-key", str(directory / "key.pem")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *args, stdin=asyncio.subprocess.DEVNULL, stdout=_PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            variable = (await process.stdout.readline()).decode()
        if "NOVITA_API_KEY=" not in variable:
            raise SystemExit("the simulator did not start")
        yield variable.partition("=")[2].strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


class NameServer(asyncio.DatagramProtocol):
    """Knows where the hosts of the platform are, and of no other host."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(_answer(data), addr)


def _answer(query: bytes) -> bytes:
    """Answer one question: RFC 1035."""
    end, labels = 12, list[str]()
    while size := query[end]:
        labels.append(query[end + 1 : end + 1 + size].decode().lower())
        end += size + 1
    question = query[12 : end + 5]
    name = ".".join(labels)
    ours = name == HOSTING or name.endswith(f".{DOMAIN}")
    address = LOOPBACK if ours else SITE_ADDRESS if name == SITE else ""
    found = bool(address) and question[-4:] == struct.pack("!HH", 1, 1)  # IPv4 addresses alone
    head = struct.pack("!2sHHHHH", query[:2], 0x8180 if address else 0x8183, 1, int(found), 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address) if found else b""
    return head + question + record


# --------------------------------------------------------------------------------------------- the public site


async def serve_site(directory: Path) -> None:
    """Answer every request with 200, in the namespace of a machine elsewhere, until killed."""
    print("there", flush=True)
    sys.stdin.readline()
    netlink.add_address("site", SITE_ADDRESS)
    netlink.set_up("site")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem")
    server = await asyncio.start_server(_answer_site, SITE_ADDRESS, 443, ssl=context)
    print("served", flush=True)
    await server.serve_forever()


async def _answer_site(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


if __name__ == "__main__":
    place, words = Path(sys.argv[1]), sys.argv[2:]
    sys.exit(asyncio.run(live(place, words) if words else serve_site(place)))
