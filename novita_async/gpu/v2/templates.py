"""`novita.gpu.v2.templates`: images with their settings (contract/gpu_v2.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ...runtime.retry import Replay
from ..checks import Findings, checked_id
from ..templates import CHANNELS, Template, Templates
from . import wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from ...runtime.call import Call
    from ...runtime.pages import Pages
    from ..control import Options, WriteOptions

__all__ = ["V2Templates"]


class V2Templates(Templates):
    """`novita.gpu.v2.templates`: what `novita.gpu.templates` has."""

    def list(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes more than that of version 1
        self,
        channel: Literal["official", "community", "private"] = "private",
        *,
        name: str | None = None,
        type: str | None = None,
        is_my_community: bool | None = None,
        member_ids: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> Pages[Template]:
        """List templates. See `Templates.list`.

        Args:
            channel: whose; the API calls it visibility.
            name: only those whose name has this in it.
            type: only those of this type.
            is_my_community: only one's own of the community's.
            member_ids: only those of these members.
            options: see `Options`.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/templates.
        """
        findings = Findings()
        findings.choice("channel", channel, CHANNELS)
        findings.end()
        query = {
            "visibilities": channel,
            "name": name,
            "type": type,
            "is_my_community": None if is_my_community is None else str(is_my_community).lower(),
            "member_ids": ",".join(member_ids) if member_ids else None,
        }
        return self._control.cursored("/templates", Template, query=query, **options)

    async def get(  # pyright: ignore[reportIncompatibleMethodOverride] - it takes more than that of version 1
        self, template_id: str, *, community: bool | None = None, **options: Unpack[Options]
    ) -> Template:
        """Read a template.

        Args:
            template_id: its id.
            community: it is one of the community's.
            options: see `Options`.

        Raises:
            NotFound: there is none of this id.

        Contract: gpu_v2.openapi.yaml, GET /gpus/v2/templates/{template_id}.
        """
        query = {"is_community": None if community is None else str(community).lower()}
        call = self._control.call("GET", _at(template_id), query=query, **options)
        return await self._control.fetch(call, Template, inside="data")

    async def delete(self, template_id: str, **options: Unpack[WriteOptions]) -> bool:
        """Delete a template; False when it was gone already.

        Contract: gpu_v2.openapi.yaml, DELETE /gpus/v2/templates/{template_id}.
        """
        return await self._control.found(self._control.call("DELETE", _at(template_id), **options))

    def _create_call(self, template: Mapping[str, Any], options: Any) -> Call:
        body = wire.template_body(template)
        return self._control.call("POST", "/templates", body, replay=Replay.SUBMITS, **options)

    def _update_call(self, template_id: str, template: Mapping[str, Any], options: Any) -> Call:
        return self._control.call("PUT", _at(template_id), wire.template_body(template), **options)


def _at(template_id: str) -> str:
    return f"/templates/{quote(checked_id('template_id', template_id), safe='')}"
