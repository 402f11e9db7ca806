"""`novita.responses`: OpenAI's Responses, passed through as they are (contract/llm.md 14).

The platform has them for a few models and does not document them: nothing is typed that could be wrong tomorrow.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from ..errors import ValidationError
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .inputs import is_list
from .named import NamedReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.streams import EventStream

__all__ = ["ResponseObject", "Responses"]


class ResponseObject(Object):
    """An answer: everything beside its id and its output is in `raw`."""

    output: list[dict[str, Any]]
    id: str = ""


class Responses(Endpoint):
    """`novita.responses`."""

    @cached_property
    def with_raw_response(self) -> RawResponses:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawResponses(self)

    @overload
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[Mapping[str, Any]],
        stream: Literal[False] | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **body: Any,
    ) -> ResponseObject: ...
    @overload
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[Mapping[str, Any]],
        stream: Literal[True],
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **body: Any,
    ) -> EventStream[dict[str, Any]]: ...
    async def create(
        self,
        *,
        model: str,
        input: str | Sequence[Mapping[str, Any]],
        stream: bool | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
        **body: Any,
    ) -> ResponseObject | EventStream[dict[str, Any]]:
        """Ask a model through the Responses API.

        Args:
            model: model id; one whose `endpoints` has `responses`.
            input: a text, or items as OpenAI has them; not empty.
            stream: give events as they come, each a dict.
            body: any other field of the request, unchecked; None is not sent. Hosted tools are accepted by the
                platform and not run.
            extra_body: fields for the body that win over all others.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included; of a stream, until its headers are there.

        Returns:
            A `ResponseObject`, or an `EventStream` of dicts to be iterated inside `async with`.

        Raises:
            ValidationError: the input is empty, or of another type. Nothing was sent.
            APIError: the platform refused, which it does for most models.

        Contract: llm.md section 14; POST /openai/v1/responses.
        """
        if not isinstance(input, str) and not is_list(input):
            raise ValidationError(f"input must be text or a list of items, got {type(input).__name__}")
        if not input:
            raise ValidationError("input is empty")
        call = self._call(
            "POST",
            "/responses",
            {"model": require_model(model), "input": input, **body, "stream": stream or None},
            model=model,
            stream=bool(stream),
            extra_body=extra_body,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
            replay=Replay.COSTS,
        )
        if stream:
            return await self._stream(call, lambda response: _Reader(self._runtime, response))
        return await self._fetch(call, ResponseObject)


class RawResponses:
    """`novita.responses.with_raw_response`."""

    def __init__(self, responses: Responses) -> None:
        self.create = as_raw(raw_twin(responses).create)


class _Reader(NamedReader[dict[str, Any]]):
    ends = frozenset(("response.completed", "response.failed", "response.incomplete"))

    def knows(self, kind: str) -> bool:
        return kind.startswith("response.")

    def make(self, fields: dict[str, Any], event: bytes) -> dict[str, Any]:
        if fields["type"] in self.ends and isinstance(response := fields.get("response"), dict):
            self.usage = cast("dict[str, Any]", response).get("usage")
        return fields

    def is_content(self, value: dict[str, Any]) -> bool:
        return value["type"].endswith(".delta") or value["type"] in self.ends
