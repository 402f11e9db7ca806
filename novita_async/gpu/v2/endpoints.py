"""`novita.gpu.v2.endpoints`: serverless endpoints through the newer API (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ...errors import ProtocolError
from ...runtime.retry import Replay
from ..checks import Findings, checked_id
from ..serverless_bodies import Settings, creation
from ..serverless_types import Endpoint
from . import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ...runtime.pages import Pages
    from ..control import Control, Options, WriteOptions
    from ..serverless_types import ScalingPolicy

__all__ = ["V2Endpoints"]

#: What an update has of the endpoint as it was read. How workers are changed here is not known.
_KEPT = ("name", "product_id", "policy", "image", "registry_auth_id", "entrypoint", "command", "health_check")
_KEPT_TOO = ("envs", "ports", "volumes", "region_id")


class V2Endpoints:
    """`novita.gpu.v2.endpoints`. What they do, `novita.serverless.endpoint(id)` asks them for."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def create(
        self,
        image: str,
        *,
        product_id: str,
        port: int,
        type: Literal["sync", "async"] = "sync",
        name: str,
        policy: ScalingPolicy | None = None,
        app_name: str | None = None,
        min_workers: int = 0,
        max_workers: int = 1,
        idle_timeout: int = 60,
        concurrency: int = 1,
        gpu_num: int = 1,
        request_timeout: int | None = None,
        cuda_version: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        envs: Mapping[str, str] | None = None,
        volumes: Mapping[str, str | None] | None = None,
        cluster_id: str | None = None,
        health_path: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> Endpoint:
        """Make an endpoint. The arguments are those of `novita.serverless.create`, but for these.

        Args:
            image: container image of the workers.
            product_id: what workers run on: one, of `products.list(category="serverless")`.
            port: where the container listens.
            type: "sync" is called directly, "async" takes jobs.
            name: display name.
            options: see `WriteOptions`.

        Returns:
            The new endpoint as it is read back.

        Contract: gpu_v2.openapi.yaml, POST /gpus/v2/endpoints.
        """
        findings = Findings()
        findings.choice("type", type, ("sync", "async"))
        findings.text("name", name, most=220)
        findings.end()
        settings = Settings(
            name=name,
            app_name=app_name,
            image=image,
            image_auth_id=image_auth_id,
            command=command,
            product_ids=[product_id],
            port=port,
            policy=policy,
            min_workers=min_workers,
            max_workers=max_workers,
            idle_timeout=idle_timeout,
            concurrency=concurrency,
            gpu_num=gpu_num,
            request_timeout=request_timeout,
            cuda_version=cuda_version,
            envs=envs,
            volumes=volumes,
            cluster_id=cluster_id,
            health_path=health_path,
        )
        body = {"type": type, **wire.endpoint_body(creation(settings))}
        call = self._control.call("POST", "/endpoints", body, replay=Replay.SUBMITS, **options)
        if told := await self._control.told(call, "endpoint_id"):
            return await self.get(told)
        for endpoint in await self.list(keyword=name):
            if endpoint.name == name:
                return endpoint
        raise ProtocolError(f"the endpoint {name!r} was made, and its id is not told")

    def list(
        self, *, keyword: str | None = None, member_ids: Sequence[str] | None = None, **options: Unpack[Options]
    ) -> Pages[Endpoint]:
        """List endpoints: `async for endpoint in ...`, or `await ...` for all of them.

        Args:
            keyword: only those with this in them.
            member_ids: only those of these members.
            options: see `Options`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/endpoints.
        """
        query = {"keyword": keyword, "member_ids": ",".join(member_ids) if member_ids else None}
        return self._control.cursored("/endpoints", Endpoint, query=query, **options)

    async def get(self, endpoint_id: str, **options: Unpack[Options]) -> Endpoint:
        """Read an endpoint.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/endpoints/{endpoint_id}.
        """
        call = self._control.call("GET", _at(endpoint_id), **options)
        return await self._control.fetch(call, Endpoint, inside="data")

    async def update(
        self,
        endpoint_id: str,
        *,
        name: str | None = None,
        image: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        product_id: str | None = None,
        port: int | None = None,
        policy: ScalingPolicy | None = None,
        envs: Mapping[str, str] | None = None,
        volumes: Mapping[str, str | None] | None = None,
        cluster_id: str | None = None,
        health_path: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> None:
        """Change an endpoint. What is not given stays: the endpoint is read first, and sent whole but for its workers,
        which nobody knows how to change here; `novita.serverless.update` can.

        Contract: gpu_v2.openapi.yaml, PUT /gpus/v2/endpoints/{endpoint_id}.
        """
        settings = Settings(
            name=name,
            image=image,
            image_auth_id=image_auth_id,
            command=command,
            product_ids=None if product_id is None else [product_id],
            port=port,
            policy=policy,
            envs=envs,
            volumes=volumes,
            cluster_id=cluster_id or ("kept" if volumes else None),  # a network storage is tied to its region
            health_path=health_path,
        )
        wanted = wire.endpoint_body(_changes(settings))
        if cluster_id is None:
            wanted.pop("region_id", None)
        raw: dict[str, Any] = (await self.get(endpoint_id)).raw
        old = {key: raw[key] for key in (*_KEPT, *_KEPT_TOO) if raw.get(key) not in (None, {})}
        await self._control.write(self._control.call("PUT", _at(endpoint_id), {**old, **wanted}, **options))

    async def delete(self, endpoint_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete an endpoint; False when it was gone already.

        Contract: gpu_v2.openapi.yaml, DELETE /gpus/v2/endpoints/{endpoint_id}.
        """
        return await self._control.found(self._control.call("DELETE", _at(endpoint_id), **options))


def _changes(settings: Settings) -> dict[str, Any]:
    """Those settings that are named, checked."""
    body = creation(settings)
    del body["rootfsSize"]
    return body


def _at(endpoint_id: str) -> str:
    return f"/endpoints/{quote(checked_id('endpoint_id', endpoint_id), safe='')}"
