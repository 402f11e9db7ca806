"""`novita.videos` (contract/video.md, video.openapi.yaml)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

from .jobs import MediaJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..runtime.task import Task
    from .models import KlingT2VParams
    from .results import MediaResult

__all__ = ["Videos"]


class Videos(MediaJobs):
    """Videos from models. All of them work in tasks."""

    async def submit(
        self,
        model: Literal["kling-v3.0-std-t2v"],
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingT2VParams],
    ) -> Task[MediaResult]:
        """Submit a task and return its handle. Arguments and errors as `Images.submit`.

        Contract: video.md, "How a job runs".
        """
        return await self._submit(
            model, dict(params), extra_body=extra_body, extra_headers=extra_headers, timeout=timeout
        )

    async def run(
        self,
        model: Literal["kling-v3.0-std-t2v"],
        *,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **params: Unpack[KlingT2VParams],
    ) -> MediaResult:
        """Make a video and wait for it. Arguments and errors as `Images.run`.

        Example:
            result = await novita.videos.run("kling-v3.0-std-t2v", prompt="a paper boat on a calm pond", duration=5)
            await result.save("videos")

        Contract: video.md, "How a job runs".
        """
        return await self._run(model, dict(params), extra_body=extra_body, extra_headers=extra_headers, timeout=timeout)
