"""`novita.sandboxes.teams`: the teams of a user, and what their sandboxes come to (sandbox.openapi.yaml)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import msgspec

from ..errors import ValidationError
from ..runtime.arguments import with_query
from ..wire.json import Object
from .bodies import check_choice
from .metrics import moment, span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .control import Control

__all__ = ["Team", "TeamMetric", "TeamPeak", "Teams"]

_METRICS = ("concurrent_sandboxes", "sandbox_start_rate")


class Team(Object):
    """A team.

    Attributes:
        id: what it is called at the platform.
        name: what its people call it.
        is_default: whether it is the user's first.
        api_key: its key. It is not shown with the rest.
    """

    id: str = msgspec.field(name="teamID")
    name: str = ""
    is_default: bool = msgspec.field(name="isDefault", default=False)
    api_key: str = msgspec.field(name="apiKey", default="")

    def __repr__(self) -> str:
        return f"Team(id={self.id!r}, name={self.name!r}, is_default={self.is_default})"


class TeamMetric(Object):
    """The sandboxes of a team at a moment: how many ran, and how many were started a second."""

    timestamp: datetime | None = None
    timestamp_unix: float | None = msgspec.field(name="timestampUnix", default=None)
    concurrent_sandboxes: int = msgspec.field(name="concurrentSandboxes", default=0)
    sandbox_start_rate: float = msgspec.field(name="sandboxStartRate", default=0.0)

    @property
    def time(self) -> datetime | None:
        """The moment."""
        return moment(self.timestamp, self.timestamp_unix)


class TeamPeak(Object):
    """The highest value of a metric, and when it was."""

    timestamp: datetime | None = None
    timestamp_unix: float | None = msgspec.field(name="timestampUnix", default=None)
    value: float = 0.0

    @property
    def time(self) -> datetime | None:
        """The moment."""
        return moment(self.timestamp, self.timestamp_unix)


class Teams:
    """`novita.sandboxes.teams`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def list(
        self,
        *,
        access_token: str | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[Team]:
        """The teams of a user.

        Args:
            access_token: of the user, which the platform asks for here beside the API key.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /teams.
        """
        headers = {"authorization": f"Bearer {access_token}"} if access_token else {}
        call = self._control.call("GET", "/teams", headers={**headers, **(extra_headers or {})}, timeout=timeout)
        return self._control.items(await self._control.runtime.request(call), Team)

    async def metrics(
        self,
        team_id: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Sequence[TeamMetric]:
        """What the sandboxes of a team came to.

        Args:
            team_id: the team's id.
            start: from when on, with a time zone.
            end: until when.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /teams/{teamID}/metrics.
        """
        path = with_query(f"{_path(team_id)}/metrics", **span(start, end))
        call = self._control.call("GET", path, headers=extra_headers, timeout=timeout)
        return self._control.items(await self._control.runtime.request(call), TeamMetric)

    async def peak(
        self,
        team_id: str,
        metric: Literal["concurrent_sandboxes", "sandbox_start_rate"],
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> TeamPeak:
        """The highest value of a metric of a team.

        Args:
            team_id: the team's id.
            metric: "concurrent_sandboxes" or "sandbox_start_rate".
            start: from when on, with a time zone.
            end: until when.
            extra_headers: headers for this call.
            timeout: the call in seconds, retries and waits included.

        Contract: sandbox.openapi.yaml, GET /teams/{teamID}/metrics/max.
        """
        check_choice("metric", metric, _METRICS)
        path = with_query(f"{_path(team_id)}/metrics/max", metric=metric, **span(start, end))
        call = self._control.call("GET", path, headers=extra_headers, timeout=timeout)
        return await self._control.runtime.fetch(call, TeamPeak)


def _path(team_id: str) -> str:
    if not isinstance(team_id, str) or not team_id.strip("./"):  # pyright: ignore[reportUnnecessaryIsInstance] - a caller's
        raise ValidationError(f"team_id is not the id of a team: {team_id!r}")
    return f"/teams/{quote(team_id, safe='')}"
