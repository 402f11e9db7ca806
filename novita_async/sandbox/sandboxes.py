"""`novita.sandboxes`: sandboxes come, live for a while and go (contract/sandbox.md 1, 2, 9; sandbox.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from ..errors import ProtocolError, ValidationError
from ..runtime.arguments import call_headers, check_timeout, given, with_query
from ..runtime.attempts import Attempts
from ..runtime.call import read_answer
from ..runtime.pages import Pages
from ..runtime.retry import Replay
from ..runtime.undo import or_undo
from ..wire.json import decode
from .arguments import check_strings, is_host, is_id, whole_seconds
from .control import Control, SandboxInfo, path_of
from .envd import PORT
from .session import Opening, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from ..runtime.call import Call, Runtime

__all__ = ["Sandboxes"]

_PAGE = 100


class _Started(msgspec.Struct):
    """What create and connect answer."""

    sandboxID: str
    templateID: str = ""
    envdVersion: str = ""
    envdAccessToken: str | None = None
    domain: str | None = None


class Sandboxes:
    """`novita.sandboxes`.

    Example:
        async with novita.sandboxes.create("base", lifetime=120) as sandbox:
            result = await sandbox.commands.run("uname -a")
            print(result.stdout)
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._control = Control(runtime)

    def create(
        self,
        template: str = "base",
        *,
        lifetime: float = 300.0,
        keep_alive: bool = False,
        metadata: Mapping[str, str] | None = None,
        envs: Mapping[str, str] | None = None,
        secure: bool = True,
        allow_internet_access: bool = True,
        auto_pause: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Opening:
        """Make a sandbox: `async with novita.sandboxes.create() as sandbox:` or `sandbox = await ...create()`.

        Leaving `async with` kills it, whatever happened inside. One that was only awaited lives until `kill()`, or to
        the end of its lifetime. A caller that is cancelled in the middle of this leaves no sandbox behind: one that was
        started meanwhile is killed first.

        Args:
            template: id or name of a template, `name:tag`, or id of a snapshot.
            lifetime: seconds that it lives from now, rounded up to whole ones. The platform cuts lifetimes above an
                hour to one hour, unless the metadata has long_running="true".
            keep_alive: begin the lifetime anew every half of it, as long as its `async with` is open. When that fails
                the block is cancelled and the error raised from it.
            metadata: labels, text to text.
            envs: environment variables of all its commands.
            secure: protect its inside with an access token of its own. Without one, whoever knows its id may come in.
            allow_internet_access: whether it may reach the internet.
            auto_pause: pause it at the end of its lifetime, in place of killing it.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: an argument cannot be sent. Raised at once, not when awaited.
            OutcomeUnknown: the request was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /sandboxes; sandbox.md sections 2 and 9.
        """
        if not isinstance(template, str) or not template:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError("template must be the id or the name of a template")
        seconds = whole_seconds("lifetime", lifetime)
        labels = check_strings("metadata", metadata)
        body = {
            "templateID": template,
            "timeout": seconds,
            "metadata": labels,
            "envVars": check_strings("envs", envs, variables=True),
            "secure": secure,
            "allow_internet_access": allow_internet_access,
            "autoPause": auto_pause,
            **(extra_body or {}),
        }
        call = self._control.call(
            "POST", "/sandboxes", body, headers=extra_headers, timeout=timeout, replay=Replay.SUBMITS
        )
        return Opening(self._create(call, lifetime=seconds, metadata=labels, keep_alive=keep_alive))

    def connect(
        self,
        sandbox_id: str,
        *,
        lifetime: float = 300.0,
        keep_alive: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Opening:
        """Take a sandbox up by its id, from any process; a paused one is resumed.

        Used like `create`, and `async with` kills this one too: to leave it running, only await it.

        Args:
            sandbox_id: its id.
            lifetime: seconds that it lives from now at least; an end that is later stays.
            keep_alive: as of `create`.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: an argument cannot be sent. Raised at once, not when awaited.
            NotFound: there is no such sandbox any more.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /sandboxes/{sandboxID}/connect.
        """
        seconds = whole_seconds("lifetime", lifetime)
        path = f"{path_of(sandbox_id)}/connect"
        routing = {"novita-sandbox-id": sandbox_id, "novita-sandbox-port": str(PORT), **(extra_headers or {})}
        body = {"timeout": seconds, **(extra_body or {})}
        call = self._control.call("POST", path, body, headers=routing, timeout=timeout)
        return Opening(self._connect(call, lifetime=seconds, keep_alive=keep_alive))

    async def kill(
        self, sandbox_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> bool:
        """Kill a sandbox, running or paused.

        Args:
            sandbox_id: its id.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Returns:
            False when it was gone already.

        Raises:
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, DELETE /sandboxes/{sandboxID}.
        """
        return await self._control.kill(sandbox_id, headers=extra_headers, timeout=timeout)

    async def info(
        self, sandbox_id: str, *, extra_headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> SandboxInfo:
        """Read how a sandbox is.

        Args:
            sandbox_id: its id.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            NotFound: there is no such sandbox any more.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, GET /sandboxes/{sandboxID}.
        """
        return await self._control.info(sandbox_id, headers=extra_headers, timeout=timeout)

    def list(
        self,
        *,
        state: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Pages[SandboxInfo]:
        """The sandboxes of the account: `async for info in ...list()` or `infos = await ...list()`.

        Args:
            state: only those in one of these states, such as ["running"]; none given means all.
            metadata: only those that have all these labels.
            extra_headers: headers for the call of each page.
            timeout: the call of each page in seconds, retries and waits included.

        Raises:
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, GET /v2/sandboxes; sandbox.md section 2.
        """
        labels = check_strings("metadata", metadata)
        # Encoded here twice and by the query once more, as the platform's own client does.
        wanted = urlencode({quote(key, safe=""): quote(value, safe="") for key, value in labels.items()})
        query = given(state=",".join(state) or None, metadata=wanted or None, limit=_PAGE)
        headers = call_headers(extra_headers)
        check_timeout(timeout)

        async def pages() -> AsyncIterator[list[SandboxInfo]]:
            runtime, token = self._runtime, None
            while True:
                path = with_query("/v2/sandboxes", **query, nextToken=token)
                answer = await runtime.request(self._control.call("GET", path, headers=headers, timeout=timeout))
                decoder = runtime.decoders(SandboxInfo)
                yield [decode(decoder, bytes(item)) for item in runtime.decode(answer, list[msgspec.Raw])]
                token = answer.headers.get("x-next-token")
                if not token:
                    return

        return Pages(pages)

    async def _create(self, call: Call, *, lifetime: int, metadata: dict[str, str], keep_alive: bool) -> Sandbox:
        attempts = Attempts(self._runtime, call)

        async def work() -> Sandbox:
            began = self._runtime.clock.time()
            started = self._runtime.decode(await attempts.run(read_answer), _Started)
            try:
                return self._session(started, lifetime=lifetime, began=began, metadata=metadata, keep_alive=keep_alive)
            except ProtocolError:
                if is_id(started.sandboxID):
                    await self.kill(started.sandboxID)
                raise

        return await or_undo(self._runtime.clock, attempts, work(), Sandbox.kill)

    async def _connect(self, call: Call, *, lifetime: int, keep_alive: bool) -> Sandbox:
        began = self._runtime.clock.time()
        started = await self._runtime.fetch(call, _Started)
        return self._session(started, lifetime=lifetime, began=began, metadata={}, keep_alive=keep_alive)

    def _session(
        self, started: _Started, *, lifetime: int, began: float, metadata: dict[str, str], keep_alive: bool
    ) -> Sandbox:
        settings = self._runtime.settings
        domain = started.domain or settings.domain
        # Both become parts of a host name, to which the sandbox's token is sent.
        if not is_id(started.sandboxID) or not is_host(domain):
            raise ProtocolError(f"no sandbox can be at id {started.sandboxID!r}, domain {domain!r}")
        return Sandbox(
            self._control,
            sandbox_id=started.sandboxID,
            template=started.templateID,
            base_url=settings.sandbox_url or f"https://{PORT}-{started.sandboxID}.{domain}",
            token=started.envdAccessToken,
            version=started.envdVersion,
            metadata=metadata,
            lifetime=lifetime,
            ends=began + lifetime,
            keep_alive=keep_alive,
        )
