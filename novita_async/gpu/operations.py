"""What can be done to an instance, whatever its state is: the calls of v1 that act on one (contract/gpu.md 2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ..catalog.gpu_life import refusal
from ..errors import NotFound, ValidationError
from ..runtime.arguments import given
from ..runtime.retry import Replay
from .checks import Findings, checked_id
from .cost import cost_of
from .orders import written_envs
from .ports import parsed
from .products import Products

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ..runtime.call import Call
    from .control import Control, Options, WriteOptions
    from .cost import Cost
    from .instance import Instance
    from .ports import PortLike

__all__ = ["Operations"]


class Operations(ABC):
    """The calls that act on an instance. Each returns when the platform has taken it, and not when it is done."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @abstractmethod
    async def read(self, instance_id: str, **options: Any) -> Instance: ...

    @property
    def offers(self) -> Products:
        """Where prices are looked up."""
        return Products(self._control)

    async def cost(self, instance_id: str, **options: Unpack[Options]) -> Cost:
        """What an instance costs an hour as it is now, and what it has cost so far. It is read anew, and its product is
        looked up where the platform tells no price with it.

        Args:
            instance_id: its id.
            options: see `Options`.

        Example:
            cost = await novita.gpu.instances.cost(instance.id)
            print(cost.so_far, "dollars, and", cost.per_hour, "more an hour")

        Contract: gpu.md section 4.
        """
        return await cost_of(await self.read(instance_id, **options), self.offers, self._control.runtime.clock)

    # ----------------------------------------------------------------------------------------- its life

    async def start(self, instance_id: str, *, check: bool = False, **options: Unpack[WriteOptions]) -> None:
        """Start an instance that is `exited`.

        Args:
            instance_id: its id.
            check: read it first, and refuse here and with the reason what its status makes impossible.
            options: see `WriteOptions`.

        Raises:
            OutOfStock: its machine has no free card now. `migrate` may find another one.
            Conflict: it is in a state that cannot be started from.
            ValidationError: the same, found by `check`.
        """
        await self._act("start", instance_id, check, Replay.SUBMITS, options)

    async def stop(self, instance_id: str, *, check: bool = False, **options: Unpack[WriteOptions]) -> None:
        """Stop a running instance. Its data is kept for 7 days, its cards are not. `check` as in `start`."""
        await self._act("stop", instance_id, check, Replay.SAFE, options)

    async def restart(self, instance_id: str, *, check: bool = False, **options: Unpack[WriteOptions]) -> None:
        """Restart a running instance. Its SSH port and password change. `check` as in `start`."""
        await self._act("restart", instance_id, check, Replay.SUBMITS, options)

    async def delete(self, instance_id: str, *, check: bool = False, **options: Unpack[WriteOptions]) -> None:
        """Delete an instance, in whatever state it is; one that is already gone is fine. Not for monthly ones.

        Raises:
            Conflict: it is monthly. With `check`, a ValidationError before anything is deleted.
        """
        try:
            await self._act("delete", instance_id, check, Replay.SAFE, options)
        except NotFound:
            return  # a repeated delete finds nothing, which is what was wanted

    async def migrate(self, instance_id: str, *, check: bool = False, **options: Unpack[WriteOptions]) -> None:
        """Move an instance to another machine. What was newly written to its own disks is lost. `check` as in `start`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/migrate.
        """
        await self._act("migrate", instance_id, check, Replay.SUBMITS, options)

    async def edit(
        self,
        instance_id: str,
        *,
        ports: Sequence[PortLike] | None = None,
        expand_disk: int = 0,
        check: bool = False,
        **options: Unpack[WriteOptions],
    ) -> None:
        """Change the ports or let the container disk grow, without a restart. It takes up to a minute.

        Args:
            instance_id: its id.
            ports: all that it shall have; those that it has when not given.
            expand_disk: GB that are added. There is no way back.
            check: as in `start`.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/edit.
        """
        findings = Findings()
        findings.number("expand_disk", expand_disk, least=0, most=6144, unit=" GB")
        opened = None if ports is None else parsed(ports, findings)
        if ports is None and not expand_disk:
            findings.add("there is nothing to change: give ports or expand_disk")
        findings.end()
        fields = given(
            ports=None if opened is None else [{"port": port.port, "type": port.protocol} for port in opened],
            expandRootDisk=expand_disk,
        )
        replay = Replay.SUBMITS if expand_disk else Replay.SAFE
        await self._act("edit", instance_id, check, replay, options, **fields)

    async def upgrade(
        self,
        instance_id: str,
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
        """Build an instance anew with another image or other settings. What is not given stays as it is: the platform
        wants everything, so the instance is read first.

        Args:
            instance_id: its id.
            image: container image.
            image_auth_id: a saved registry login.
            envs: the whole environment, at most 100.
            command: start command.
            entrypoint: instead of the image's own.
            storages: all network storages by id, each with its path; an empty one unmounts them.
            save: keep what is on its disks.
            check: as in `start`.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/upgrade.
        """
        findings = Findings()
        findings.text("image", image, most=500)
        findings.text("command", command, least=0, most=2047)
        findings.text("entrypoint", entrypoint, least=0, most=2047)
        findings.envs(envs)
        findings.end()
        now = await self.read(instance_id)
        if check:
            _refuse("upgrade", now)
        mounts = now.volume_mounts or []
        kept = {mount.id: mount.mount_path or "/network" for mount in mounts if mount.type == "network" and mount.id}
        variables = {env.key: env.value for env in now.envs or []} if envs is None else envs
        wanted = kept if storages is None else storages
        body = given(
            imageUrl=image or now.image_url or "",
            imageAuthId=now.image_auth_id if image_auth_id is None else image_auth_id,
            envs=written_envs(variables),
            command=(now.command or "") if command is None else command,
            entrypoint=(now.entrypoint or "") if entrypoint is None else entrypoint,
            save=save,
            networkVolume={
                "volumeMounts": [{"type": "network", "id": id_, "mountPath": path} for id_, path in wanted.items()]
            },
        )
        await self._act("upgrade", instance_id, False, Replay.SUBMITS, options, **body)

    # ------------------------------------------------------------------------------------- subscriptions

    async def to_monthly(
        self, instance_id: str, months: int, *, check: bool = False, **options: Unpack[WriteOptions]
    ) -> None:
        """Make an on-demand instance a subscription of so many months. There is no way back. `check` as in `start`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/transToMonthlyInstance.
        """
        _check_months(months)
        await self._act("transToMonthlyInstance", instance_id, check, Replay.SUBMITS, options, month=months)

    async def renew(
        self, instance_id: str, months: int, *, check: bool = False, **options: Unpack[WriteOptions]
    ) -> None:
        """Renew a subscription by so many months. `check` as in `start`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/renewInstance.
        """
        _check_months(months)
        await self._act("renewInstance", instance_id, check, Replay.SUBMITS, options, month=months)

    async def set_auto_renew(
        self, instance_ids: str | Sequence[str], months: int | None, **options: Unpack[WriteOptions]
    ) -> None:
        """Let subscriptions be renewed when they end.

        Args:
            instance_ids: one id or several.
            months: by how many, 1 to 12; None lets them end.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/setAutoRenew.
        """
        findings = Findings()
        findings.number("months", months, least=1, most=12)
        findings.end()
        ids = [instance_ids] if isinstance(instance_ids, str) else list(instance_ids)
        if not ids:
            raise ValidationError("instance_ids is empty")
        body = {
            "instanceIds": [checked_id("instance_id", id_) for id_ in ids],
            "autoRenew": months is not None,
            "autoRenewMonth": months or 1,
        }
        await self._control.write(self._control.call("POST", "/gpu/instance/setAutoRenew", body, **options))

    async def set_auto_migrate(
        self,
        instance_id: str,
        enabled: bool = True,
        *,
        system_disk: bool = False,
        check: bool = False,
        **options: Unpack[WriteOptions],
    ) -> None:
        """Let an instance be moved by itself when its machine fails. A few older regions have no such thing.

        Args:
            instance_id: its id.
            enabled: whether it shall be.
            system_disk: take the system disk along.
            check: as in `start`.
            options: see `WriteOptions`.

        Contract: gpu.openapi.yaml, POST /gpu/instance/setAutoMigrate.
        """
        fields = {"autoMigrateOpen": enabled, "autoMigrateSystemDisk": system_disk}
        await self._act("setAutoMigrate", instance_id, check, Replay.SAFE, options, **fields)

    # --------------------------------------------------------------------------------------------------

    async def _act(self, verb: str, instance_id: str, check: bool, replay: Replay, options: Any, **fields: Any) -> None:
        calls = self._act_calls(verb, instance_id, replay, options, fields)
        if check:
            _refuse(verb, await self.read(instance_id))
        for call in calls:
            await self._control.write(call)

    def _act_calls(self, verb: str, instance_id: str, replay: Replay, options: Any, fields: Any) -> list[Call]:
        """What is sent for an operation, by its name in `LIFE`."""
        body = {"instanceId": checked_id("instance_id", instance_id), **fields}
        return [self._control.call("POST", f"/gpu/instance/{verb}", body, replay=replay, **options)]


def _check_months(months: int) -> None:
    findings = Findings()
    findings.number("months", months, least=1)
    findings.end()


def _refuse(verb: str, instance: Instance) -> None:
    reason = refusal(verb, instance.status, billing=instance.billing_mode or "", spot=instance.spot_status or "")
    if reason:
        raise ValidationError(f"instance {instance.id}: {reason}")
