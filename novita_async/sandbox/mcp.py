"""`sandbox.mcp`: the gateway to the MCP servers that a sandbox was made with (contract/sandbox.md 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .files import Files

__all__ = ["Mcp"]

_PORT = 50005
_TOKEN = "/etc/mcp-gateway/.token"  # noqa: S105 - where it stands


class Mcp:
    """`sandbox.mcp`. What connects to it is an MCP client of the user's choice.

    Example:
        url, token = sandbox.mcp.url, await sandbox.mcp.token()
        async with streamablehttp_client(url, headers={"Authorization": f"Bearer {token}"}) as streams:
            ...
    """

    def __init__(self, files: Files, host: Callable[[int], str]) -> None:
        self._files = files
        self._host = host

    @property
    def url(self) -> str:
        """Where the gateway answers, over HTTPS."""
        return f"https://{self._host(_PORT)}/mcp"

    async def token(self, *, timeout: float | None = None) -> str:
        """Read the bearer token that the gateway asks for.

        Args:
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: the sandbox was made without MCP servers.
            SandboxEnded: the sandbox is gone or paused.
            SandboxUnreachable: it is said to run and does not answer.
        """
        return (await self._files.read(_TOKEN, user="root", timeout=timeout)).strip()
