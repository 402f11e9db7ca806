"""`novita.sandboxes`: sandboxes come, live for a while and go (contract/sandbox.md 1, 2, 9; sandbox.openapi.yaml)."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from . import making
from .arguments import check_strings, whole_seconds
from .bodies import ON_EXIT, check_choice, labels_of, lifecycle, mounts, network
from .control import SandboxInfo, path_of
from .handle import SandboxHandle
from .keeping import Opening
from .listing import Listing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Runtime
    from ..runtime.tasks import TaskSet
    from .bodies import CreateParams, OnExit, OnTimeout
    from .hosting import Projects
    from .pool import Pool
    from .secrets import Secrets
    from .snapshots import Snapshots
    from .teams import Teams
    from .templates import Templates
    from .volumes import Volume, Volumes

__all__ = ["Sandboxes"]


class Sandboxes(Listing):
    """`novita.sandboxes`.

    Example:
        async with novita.sandboxes.create("base", lifetime=120) as sandbox:
            result = await sandbox.commands.run("uname -a")
            print(result.stdout)
    """

    def __init__(self, runtime: Runtime, tasks: TaskSet) -> None:
        super().__init__(runtime)
        self._tasks = tasks

    def create(
        self,
        template: str | None = None,
        *,
        image: str | None = None,
        lifetime: float = 300.0,
        keep_alive: bool = False,
        on_exit: OnExit = "kill",
        on_timeout: OnTimeout = "kill",
        auto_resume: bool = False,
        idle_timeout: float | None = None,
        long_running: bool | None = None,
        metadata: Mapping[str, str] | None = None,
        envs: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        secure: bool = True,
        allow_internet_access: bool = True,
        allow_out: Sequence[str] | None = None,
        deny_out: Sequence[str] | None = None,
        allow_public_traffic: bool | None = None,
        mask_request_host: str | None = None,
        volume_mounts: Mapping[str, str | Volume] | None = None,
        mcp: Mapping[str, Any] | None = None,
        node_id: str | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Opening:
        """Make a sandbox: `async with novita.sandboxes.create() as sandbox:` or `sandbox = await ...create()`.

        Leaving `async with` ends it as `on_exit` says, whatever happened inside. One that was only awaited lives until
        `kill()`, or to the end of its lifetime. A caller that is cancelled in the middle of this leaves no sandbox
        behind: one that was started meanwhile is killed first.

        Args:
            template: id or name of a template, `name:tag`, or id of a snapshot; "base" when left out, and with `mcp`
                "mcp-gateway".
            image: an image of a registry, such as "python:3.12", in place of a template. A template is built of it the
                first time, which takes its time; `timeout` is that of the call after that.
            lifetime: seconds that it lives from now, rounded up to whole ones. The platform cuts lifetimes above an
                hour to one hour, unless `long_running` is set.
            keep_alive: begin the lifetime anew every half of it, as long as its `async with` is open. When that fails
                the block is cancelled and the error raised from it.
            on_exit: what leaving `async with` does: "kill", "pause" it or "leave" it running.
            on_timeout: what becomes of it at the end of its lifetime: "kill" or "pause".
            auto_resume: resume a paused one on any request to it; only with `on_timeout="pause"`.
            idle_timeout: seconds without an open connection after which its lifetime ends, rounded up; 0 for never.
            long_running: let it live for more than an hour, up to what the account's plan allows.
            metadata: labels, text to text.
            envs: environment variables of all its commands.
            secrets: environment variables that hold stored secrets: their names to the secrets' names. Inside stands
                a placeholder; the secret itself is put into requests on their way to its hosts.
            secure: protect its inside with an access token of its own. Without one, whoever knows its id may come in.
            allow_internet_access: whether it may reach the internet.
            allow_out: IP addresses, CIDR ranges, host names or `*.host` that it may reach; they win over `deny_out`.
            deny_out: IP addresses or CIDR ranges that it may not reach.
            allow_public_traffic: whether its ports are open to all. When not, they want the traffic token, which
                `sandbox.request` sends.
            mask_request_host: the host name that its services see; `${PORT}` in it stands for the port.
            volume_mounts: volumes, or their names, by the absolute paths that they are mounted at.
            mcp: servers for the MCP gateway, name to settings. The gateway is started at once; see `sandbox.mcp`.
            node_id: where to start it, as a hint.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Raises:
            ValidationError: an argument cannot be sent. Raised at once, not when awaited.
            OutcomeUnknown: the request was sent and not answered; it was not sent again.
            APIError: the platform refused.

        Contract: sandbox.openapi.yaml, POST /sandboxes; sandbox.md sections 2 and 9.
        """
        before = None
        if image is not None:
            if template is not None:
                raise ValidationError("template and image exclude each other")
            whole, template = making.image_name(image)
            before = functools.partial(making.make_of_image, self.templates, whole, template)
        elif template is None:
            template = "base" if mcp is None else "mcp-gateway"
        if not isinstance(template, str) or not template:  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
            raise ValidationError("template must be the id or the name of a template")
        check_choice("on_exit", on_exit, ON_EXIT)
        if not secure and allow_public_traffic is False:
            raise ValidationError("a sandbox without public traffic must be secure")
        seconds = whole_seconds("lifetime", lifetime)
        labels = labels_of(metadata, idle_timeout, long_running)
        rules = network(
            allow_out=allow_out,
            deny_out=deny_out,
            allow_public_traffic=allow_public_traffic,
            mask_request_host=mask_request_host,
        )
        body = {
            "templateID": template,
            "timeout": seconds,
            "metadata": labels,
            "envVars": check_strings("envs", envs, variables=True),
            "secure": secure,
            "allow_internet_access": allow_internet_access,
            **lifecycle(on_timeout, auto_resume),
            **given(
                secrets=check_strings("secrets", secrets, variables=True) or None,
                network={"allowPublicTraffic": True, **rules} if rules else None,
                volumeMounts=mounts(volume_mounts),
                mcp=mcp,
                nodeID=node_id,
            ),
            **(extra_body or {}),
        }
        call = self._control.call(
            "POST", "/sandboxes", body, headers=extra_headers, timeout=timeout, replay=Replay.SUBMITS
        )
        return Opening(
            making.create(
                self._control,
                call,
                before=before,
                mcp=mcp,
                lifetime=seconds,
                metadata=labels,
                keep_alive=keep_alive,
                on_exit=on_exit,
            )
        )

    def connect(
        self,
        sandbox_id: str,
        *,
        lifetime: float = 300.0,
        keep_alive: bool = False,
        on_exit: OnExit = "kill",
        secure: bool | None = None,
        allow_public_traffic: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Opening:
        """Take a sandbox up by its id, from any process; a paused one is resumed.

        Used like `create`, and `async with` kills this one too, unless `on_exit` says otherwise.

        Args:
            sandbox_id: its id.
            lifetime: seconds that it lives from now at least; an end that is later stays.
            keep_alive: as of `create`.
            on_exit: as of `create`.
            secure: whether its inside is protected by a token from now on.
            allow_public_traffic: whether its ports are open to all from now on.
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
        check_choice("on_exit", on_exit, ON_EXIT)
        path = f"{path_of(sandbox_id)}/connect"
        body = {
            "timeout": seconds,
            **given(secure=secure, allowPublicTraffic=allow_public_traffic),
            **(extra_body or {}),
        }
        routing = {**self._control.routing(sandbox_id), **(extra_headers or {})}
        call = self._control.call("POST", path, body, headers=routing, timeout=timeout)
        return Opening(making.connect(self._control, call, lifetime=seconds, keep_alive=keep_alive, on_exit=on_exit))

    def by_id(self, sandbox_id: str) -> SandboxHandle:
        """A sandbox that is only named. Nothing is sent, and it is not resumed: for what needs no way into it, such as
        `await novita.sandboxes.by_id(sandbox_id).pause()`.

        Raises:
            ValidationError: this cannot be an id.
        """
        return SandboxHandle(self._control, sandbox_id)

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

    def pool(
        self,
        template: str | None = None,
        size: int = 1,
        *,
        most: int | None = None,
        lifetime: float = 300.0,
        **params: Unpack[CreateParams],
    ) -> Pool:
        """Sandboxes that stand ready before they are wanted, all alike.

        Args:
            template: as of `create`.
            size: how many are kept ready.
            most: how many there may be at once, those in use among them; the account's quota bounds it too.
            lifetime: as of `create`; begun anew every half of it as long as the pool is open.
            params: the other arguments of `create`.

        Raises:
            ValidationError: an argument cannot be sent.

        Contract: sandbox.md sections 9 and 13.

        Example:
            async with novita.sandboxes.pool("base", 4) as pool:
                async with pool.take() as sandbox:
                    await sandbox.commands.run("true")
        """
        from .pool import Pool

        def create() -> Opening:
            return self.create(template, lifetime=lifetime, **params)

        create().close()  # nothing was sent: it has only checked its arguments
        return Pool(create, self.quota, self._runtime.clock, size=size, most=most, lifetime=lifetime)

    # ---------------------------------------------------------------------------------------- what belongs to them

    @property
    def snapshots(self) -> Snapshots:
        """Images of sandboxes."""
        from .snapshots import Snapshots

        return Snapshots(self._control)

    @property
    def templates(self) -> Templates:
        """What sandboxes start from."""
        from .templates import Templates

        return Templates(self._control, self._tasks)

    @property
    def volumes(self) -> Volumes:
        """Disks that outlive the sandboxes that they are mounted in."""
        from .volumes import Volumes

        return Volumes(self._control)

    @property
    def secrets(self) -> Secrets:
        """What sandboxes may use and never see."""
        from .secrets import Secrets

        return Secrets(self._control)

    @property
    def teams(self) -> Teams:
        """The teams of a user, and what their sandboxes come to."""
        from .teams import Teams

        return Teams(self._control)

    @property
    def projects(self) -> Projects:
        """What was made in a sandbox, put on the web."""
        from .hosting import Projects

        return Projects(self._runtime)
