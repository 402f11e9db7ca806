"""`novita.gpu.templates`: images with the settings they are started with (contract/gpu.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import field

from ..runtime.arguments import given
from ..runtime.retry import Replay
from ..wire.json import Object
from .checks import Findings, checked_id
from .orders import written_envs
from .ports import Port, grouped, parsed
from .types import Env
from .units import Number, integer, moment

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ..runtime.call import Call
    from ..runtime.pages import Pages
    from .control import Control, Options, WriteOptions
    from .ports import PortLike

__all__ = ["Recommendation", "Template", "TemplateTool", "Templates"]

CHANNELS = ("official", "community", "private")


class _Ports(Object):
    type: str = "tcp"
    ports: list[int] = field(default_factory=list[int])


class TemplateTool(Object):
    """A tool that an official template has on a port."""

    name: str | None = None
    describe: str | None = None
    port: int | None = None
    type: str | None = None


class Recommendation(Object, rename="camel"):
    """A card that a template is meant for, and how many."""

    gpu_spec_id: str | None = None
    wire_card_num: Number = field(default=None, name="cardNum")

    @property
    def card_num(self) -> int | None:
        """How many."""
        return integer(self.wire_card_num)


class Template(Object, rename="camel"):
    """A template. `rootfs_size` is in GB, `readme` Markdown, `image_auth` the id of a registry login."""

    id: str
    name: str = ""
    readme: str | None = None
    type: str | None = None
    channel: str | None = None
    image: str | None = None
    image_auth: str | None = None
    start_command: str | None = None
    entrypoint: str | None = None
    rootfs_size: int | None = None
    min_cuda_version: str | None = None
    envs: list[Env] | None = None
    tools: list[TemplateTool] | None = None
    recommend_cards: list[Recommendation] | None = None
    wire_ports: list[_Ports] | None = field(default=None, name="ports")
    wire_created: Number = field(default=None, name="createdAt")
    wire_create_time: Number = field(default=None, name="createTime")  # its older name

    @property
    def ports(self) -> list[Port]:
        """The ports that its instances open."""
        return [Port(port, group.type) for group in self.wire_ports or [] for port in group.ports]

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was made."""
        return moment(self.wire_created) or moment(self.wire_create_time)


class Templates:
    """`novita.gpu.templates`. A list may show a change a moment later than `get` does."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def list(
        self,
        channel: Literal["official", "community", "private"] = "private",
        *,
        name: str | None = None,
        type: str | None = None,
        is_my_community: bool | None = None,
        **options: Unpack[Options],
    ) -> Pages[Template]:
        """List templates: `async for template in ...`, or `await ...` for all of them.

        Args:
            channel: whose: "private" for one's own.
            name: only those whose name has this in it.
            type: only those of this type; the platform knows "instance".
            is_my_community: as the platform wants it when not given: False, and True with "private".
            options: see `Options`.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/templates.
        """
        findings = Findings()
        findings.choice("channel", channel, CHANNELS)
        findings.text("name", name, most=255)
        findings.end()
        mine = channel == "private" if is_my_community is None else is_my_community
        query = {"channel": channel, "isMyCommunity": str(mine).lower(), "name": name, "type": type}
        return self._control.numbered("/templates", Template, "template", "templates", query=query, **options)

    async def get(self, template_id: str, **options: Unpack[Options]) -> Template:
        """Read a template.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu.openapi.yaml, GET /gpu-instance/openapi/v1/template.
        """
        query = {"templateId": checked_id("template_id", template_id)}
        call = self._control.call("GET", "/template", query=query, **options)
        return await self._control.fetch(call, Template, inside="template")

    async def create(
        self,
        name: str,
        *,
        image: str,
        rootfs_size: int = 60,
        readme: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        ports: Sequence[PortLike] = (),
        envs: Mapping[str, str] | None = None,
        min_cuda_version: str | None = None,
        channel: str = "private",
        type: str = "instance",
        **options: Unpack[WriteOptions],
    ) -> str:
        """Make a template.

        Args:
            name: up to 255 characters.
            image: container image.
            rootfs_size: container disk in GB.
            readme: Markdown.
            image_auth_id: a saved registry login.
            command: start command.
            entrypoint: instead of the image's own.
            ports: such as `Port(80, "http")` or "22/tcp"; at most 10 of each kind.
            envs: environment, at most 100.
            min_cuda_version: such as "12.4".
            channel: the platform takes "private".
            type: the platform knows "instance".
            options: see `WriteOptions`.

        Returns:
            Its id.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/template/create.
        """
        template = _written(
            name, image, rootfs_size, readme, image_auth_id, command, entrypoint, ports, envs, min_cuda_version
        )
        call = self._create_call({**template, "channel": channel, "type": type}, options)
        return await self._control.told(call, "templateId", "template_id")

    async def update(
        self,
        template_id: str,
        *,
        name: str | None = None,
        image: str | None = None,
        rootfs_size: int | None = None,
        readme: str | None = None,
        image_auth_id: str | None = None,
        command: str | None = None,
        entrypoint: str | None = None,
        ports: Sequence[PortLike] | None = None,
        envs: Mapping[str, str] | None = None,
        min_cuda_version: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> None:
        """Change a template. What is not given stays: the platform wants everything, so the template is read first.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/template/update.
        """
        old = await self.get(template_id)
        template = _written(
            name or old.name,
            image or old.image or "",
            rootfs_size or old.rootfs_size or 60,
            old.readme if readme is None else readme,
            old.image_auth if image_auth_id is None else image_auth_id,
            old.start_command if command is None else command,
            old.entrypoint if entrypoint is None else entrypoint,
            old.ports if ports is None else ports,
            {env.key: env.value for env in old.envs or []} if envs is None else envs,
            old.min_cuda_version if min_cuda_version is None else min_cuda_version,
        )
        kind = {"channel": old.channel or "private", "type": old.type or "instance"}
        await self._control.write(self._update_call(template_id, {**template, **kind}, options))

    async def delete(self, template_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a template.

        Returns:
            False when it was gone already.

        Contract: gpu.openapi.yaml, POST /gpu-instance/openapi/v1/template/delete.
        """
        body = {"templateId": checked_id("template_id", template_id)}
        return await self._control.found(self._control.call("POST", "/template/delete", body, **options))

    def _create_call(self, template: Mapping[str, Any], options: Any) -> Call:
        body = {"template": template}
        return self._control.call("POST", "/template/create", body, replay=Replay.SUBMITS, **options)

    def _update_call(self, template_id: str, template: Mapping[str, Any], options: Any) -> Call:
        body = {"template": {"Id": template_id, **template}}
        return self._control.call("POST", "/template/update", body, **options)


def _written(
    name: str,
    image: str,
    rootfs_size: int,
    readme: str | None,
    image_auth_id: str | None,
    command: str | None,
    entrypoint: str | None,
    ports: Sequence[PortLike],
    envs: Mapping[str, str] | None,
    min_cuda_version: str | None,
) -> dict[str, Any]:
    findings = Findings()
    findings.text("name", name, most=255)
    findings.text("image", image, most=500)
    findings.number("rootfs_size", rootfs_size, least=1, unit=" GB")
    findings.text("readme", readme, least=0, most=102_400)
    findings.envs(envs)
    groups = grouped(parsed(ports, findings))
    for group in groups:
        if len(group["ports"]) > 10:
            findings.add(f"at most 10 {group['type']} ports in a template, got {len(group['ports'])}")
    findings.end()
    return given(
        name=name,
        image=image,
        rootfsSize=rootfs_size,
        readme=readme,
        imageAuth=image_auth_id,
        startCommand=command,
        entrypoint=entrypoint,
        ports=groups or None,
        envs=written_envs(envs) if envs else None,
        minCudaVersion=min_cuda_version,
    )
