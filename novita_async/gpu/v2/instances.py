"""`novita.gpu.v2.instances`: the same machines, through the newer API (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from ...errors import ValidationError
from ...runtime.arguments import given
from ...runtime.retry import Replay
from ..checks import Findings, checked_id
from ..instance import Instance
from ..instances import Instances
from ..products import BILLINGS
from . import wire
from .catalogue import V2Products

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ...runtime.call import Call
    from ...runtime.pages import Pages
    from ..control import Options, WriteOptions
    from ..products import Billing, Products

__all__ = ["V2Instances"]

_PATHS = {
    "renewInstance": "renew",
    "transToMonthlyInstance": "billing-mode",
    "setAutoMigrate": "auto-migrate",
}


class V2Instances(Instances):
    """`novita.gpu.v2.instances`: what `novita.gpu.instances` has, and the web terminal.

    What the newer API cannot do is refused: filters by product, and other storages at an `upgrade`.
    """

    def list(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes more than that of version 1
        self,
        *,
        name: str | None = None,
        product_name: str | None = None,
        status: str | None = None,
        cluster_ids: Sequence[str] | None = None,
        billing: Billing | None = None,
        **options: Unpack[Options],
    ) -> Pages[Instance]:
        """List instances: `async for instance in ...`, or `await ...` for all of them.

        Args:
            name: only those with this in their name or id.
            product_name: not possible here.
            status: only those in this status.
            cluster_ids: only those of these regions.
            billing: only those paid for so.
            options: see `Options`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/instances.
        """
        findings = Findings()
        findings.choice("billing", billing, BILLINGS)
        if product_name is not None:
            findings.add("version 2 cannot list by product_name: novita.gpu.instances can")
        findings.end()
        query = {
            "name": name,
            "status": status,
            "regions": ",".join(cluster_ids) if cluster_ids else None,
            "billing_mode": wire.BILLINGS[billing] if billing else None,
        }
        return self.pages(query, **options)

    def pages(self, query: dict[str, str | None], **options: Any) -> Pages[Instance]:
        """The list, with each instance able to call."""
        return self._control.cursored(
            "/instances", Instance, query=query, adopt=lambda each: each.belong(self), **options
        )

    @property
    def offers(self) -> Products:
        """Where prices are looked up: this API tells none with an instance."""
        return V2Products(self._control)

    async def read(self, instance_id: str, **options: Any) -> Instance:
        """Read an instance; `options` may limit the attempts."""
        call = self._control.call("GET", _at(instance_id), **options)
        return (await self._control.fetch(call, Instance, inside="data")).belong(self)

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
        """Build an instance anew. See `Instances.upgrade`; `storages` cannot be changed here."""
        if storages is not None:
            raise ValidationError("version 2 cannot change storages: novita.gpu.instances.upgrade can")
        await super().upgrade(
            instance_id,
            image=image,
            image_auth_id=image_auth_id,
            envs=envs,
            command=command,
            entrypoint=entrypoint,
            save=save,
            check=check,
            **options,
        )

    async def set_auto_renew(
        self, instance_ids: str | Sequence[str], months: int | None, **options: Unpack[WriteOptions]
    ) -> None:
        """Let subscriptions be renewed when they end, one after the other. See `Instances.set_auto_renew`.

        Contract: gpu_v2.openapi.yaml, PUT /gpus/v2/instances/{instance_id}/auto-renew.
        """
        findings = Findings()
        findings.number("months", months, least=1, most=12)
        findings.end()
        ids = [instance_ids] if isinstance(instance_ids, str) else [*instance_ids]
        if not ids:
            raise ValidationError("instance_ids is empty")
        body = {"auto_renew": given(enabled=months is not None, months=months)}
        for call in [self._control.call("PUT", f"{_at(id_)}/auto-renew", body, **options) for id_ in ids]:
            await self._control.write(call)

    async def set_web_terminal(self, instance_id: str, enabled: bool = True, **options: Unpack[WriteOptions]) -> None:
        """Turn the terminal in the browser on or off. `get` tells its address, as `web_terminal`.

        Contract: gpu_v2.openapi.yaml, PUT /gpus/v2/instances/{instance_id}/web-terminal.
        """
        path = f"{_at(instance_id)}/web-terminal"
        await self._control.write(self._control.call("PUT", path, {"enable": enabled}, **options))

    # --------------------------------------------------------------------------------------------------

    def _create_call(self, product: str, body: Mapping[str, Any], options: Any) -> Call:
        if body.get("imageAuth"):
            raise ValidationError("version 2 takes no image_auth: save the login, and give its id as image_auth_id")
        # Its own pages do not want a name; those that share its specification do.
        full = wire.order(product, {"name": f"instance-{uuid4().hex[:8]}", **body})
        return self._control.call("POST", "/instances", full, replay=Replay.SUBMITS, **options)

    def _act_calls(self, verb: str, instance_id: str, replay: Replay, options: Any, fields: Any) -> list[Call]:
        at = _at(instance_id)
        if verb == "delete":
            return [self._control.call("DELETE", at, replay=replay, **options)]
        if verb == "edit":
            calls: list[Call] = []
            if "ports" in fields:
                ports = [{"port": port["port"], "protocol": port["type"]} for port in fields["ports"]]
                calls.append(self._control.call("PUT", f"{at}/ports", {"ports": ports}, **options))
            if fields["expandRootDisk"]:
                body = {"rootfs_size_expand_gb": fields["expandRootDisk"]}
                calls.append(self._control.call("PUT", f"{at}/rootfs-expand", body, replay=replay, **options))
            return calls
        body = _body(verb, fields)
        return [self._control.call("PUT", f"{at}/{_PATHS.get(verb, verb)}", body, replay=replay, **options)]


def _at(instance_id: str) -> str:
    return f"/instances/{quote(checked_id('instance_id', instance_id), safe='')}"


def _body(verb: str, old: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of an operation, from what the older API would get."""
    match verb:
        case "migrate":
            return {}
        case "renewInstance":
            return {"months": old["month"]}
        case "transToMonthlyInstance":
            return {"type": "prepaid", "months": old["month"]}
        case "setAutoMigrate":
            return {
                "auto_migrate": {
                    "enabled": old["autoMigrateOpen"],
                    "include_system_disk": old["autoMigrateSystemDisk"],
                }
            }
        case "upgrade":
            return given(
                image=old["imageUrl"],
                registry_auth_id=old.get("imageAuthId"),
                entrypoint=old["entrypoint"],
                command=old["command"],
                envs=old["envs"],
                save_data=old["save"],
            )
        case _:
            return None
