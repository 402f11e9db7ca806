"""An instance in hand: what was read of it, and the calls that act on the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ValidationError
from .types import InstanceData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from .control import WriteOptions
    from .cost import Cost
    from .instances import Instances
    from .jupyter import Kernel
    from .logs import LogLines, Source
    from .ports import PortLike
    from .terminal import TerminalSocket

__all__ = ["Instance"]


class Instance(InstanceData):
    """An instance as it was when it was read. Its methods act on the real one; `refresh` reads it anew."""

    @property
    def _instances(self) -> Instances:
        instances: Instances | None = vars(self).get("_home")
        if instances is None:
            raise ValidationError("this object did not come from a client, so it cannot call")
        return instances

    def belong(self, instances: Instances) -> Instance:
        """Let it call through a client."""
        vars(self)["_home"] = instances
        return self

    async def refresh(self) -> Instance:
        """Read the instance anew."""
        return await self._instances.get(self.id)

    async def cost(self) -> Cost:
        """See `Instances.cost`."""
        return await self._instances.cost(self.id)

    async def start(self, *, check: bool = False) -> None:
        """See `Instances.start`."""
        await self._instances.start(self.id, check=check)

    async def stop(self, *, check: bool = False) -> None:
        """See `Instances.stop`."""
        await self._instances.stop(self.id, check=check)

    async def restart(self, *, check: bool = False) -> None:
        """See `Instances.restart`."""
        await self._instances.restart(self.id, check=check)

    async def delete(self, *, check: bool = False) -> None:
        """See `Instances.delete`."""
        await self._instances.delete(self.id, check=check)

    async def migrate(self, *, check: bool = False) -> None:
        """See `Instances.migrate`."""
        await self._instances.migrate(self.id, check=check)

    async def edit(self, *, ports: Sequence[PortLike] | None = None, expand_disk: int = 0, check: bool = False) -> None:
        """See `Instances.edit`."""
        await self._instances.edit(self.id, ports=ports, expand_disk=expand_disk, check=check)

    async def upgrade(
        self,
        *,
        image: str | None = None,
        image_auth_id: str | None = None,
        envs: Mapping[str, str] | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        storages: Mapping[str, str] | None = None,
        save: bool = True,
        check: bool = False,
        **options: Unpack[WriteOptions],
    ) -> None:
        """See `Instances.upgrade`."""
        await self._instances.upgrade(
            self.id,
            image=image,
            image_auth_id=image_auth_id,
            envs=envs,
            command=command,
            entrypoint=entrypoint,
            storages=storages,
            save=save,
            check=check,
            **options,
        )

    async def wait_until(
        self, status: str = "running", *, timeout: float | None = None, stall: float | None = None
    ) -> Instance:
        """See `Instances.wait_until`."""
        return await self._instances.wait_until(self.id, status, timeout=timeout, stall=stall)

    def jupyter(
        self,
        *,
        kernel_id: str | None = None,
        name: str | None = None,
        path: str | None = None,
        url: str | None = None,
        token: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> Kernel:
        """A kernel on the instance's JupyterLab: `async with instance.jupyter() as kernel:`.

        The kernel that is started ends with the block; one that is joined is left as it is. The API key is not sent
        to the instance.

        Args:
            kernel_id: a kernel that runs, to be joined.
            name: of the kind of kernel, such as "python3"; None for the server's own choice.
            path: the directory that it starts in, below the server's own.
            url: where the Jupyter server is, if not at `jupyter_lab.address`: one that the image starts on a port.
            token: its token, if that is neither told by the platform nor in the query of the address; "" for none.
            extra_headers: for every request to the Jupyter server.

        Raises:
            ValidationError: the platform tells no address: the instance does not run, was ordered without `jupyter`,
                or is from a list. `refresh` reads the address anew; it changes with every start.

        Contract: gpu.md section 5.
        """
        from .jupyter import Kernel

        lab = self.jupyter_lab
        address = url or (lab and (lab.address or lab.url)) or ""
        if not address:
            raise ValidationError(
                f"no JupyterLab is told of instance {self.id} ({self.status}): it is there while the instance runs, "
                "when it was ordered with jupyter=True; refresh() reads it"
            )
        if token is None and url is None and lab is not None:
            token = lab.token or None
        return Kernel(
            self._instances.runtime,
            address,
            token=token,
            kernel_id=kernel_id,
            name=name,
            path=path,
            extra_headers=extra_headers,
        )

    def logs(
        self, source: Source = "instance", *, follow: bool = True, extra_headers: Mapping[str, str] | None = None
    ) -> LogLines:
        """The lines of a log: `async with instance.logs() as lines: async for line in lines: ...`.

        Args:
            source: "instance" for what the container writes, "system" for what the platform does with the instance.
            follow: wait for more until the instance is gone; else until nothing has come for two seconds.
            extra_headers: for the requests of the log. The API key is not among what they send.

        Contract: gpu.md section 6.
        """
        from .logs import LogLines

        return LogLines(self, self._instances.runtime, source, follow=follow, headers=extra_headers)

    async def terminal(
        self,
        *,
        subprotocols: Sequence[str] = (),
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TerminalSocket:
        """The websocket of the web terminal: `async with await instance.terminal() as socket:`.

        What is said over it is not documented: messages go in and out as they are. The login that the platform tells
        is sent along, the API key is not.

        Args:
            subprotocols: those to choose from.
            extra_headers: for the request that opens it.
            timeout: seconds for opening it.

        Raises:
            ValidationError: no terminal is told, or a page for browsers, as version 1 has it.
            ConnectError, ProtocolError: it cannot be opened.

        Contract: gpu.md section 5; gpu_v2.openapi.yaml, PUT /gpus/v2/instances/{instance_id}/web-terminal.
        """
        from .terminal import open_terminal

        return await open_terminal(
            self._instances.runtime,
            self.web_terminal,
            subprotocols=subprotocols,
            extra_headers=extra_headers,
            timeout=timeout,
        )
