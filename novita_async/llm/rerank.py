"""`novita.rerank`: documents by how well they answer a query (contract/llm.md 11)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import ValidationError
from ..runtime.retry import Replay
from ..wire.json import Object
from .endpoint import Endpoint, as_raw, raw_twin, require_model
from .inputs import check_count, is_list
from .types import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..runtime.call import Answer

__all__ = ["Rerank", "RerankDocument", "RerankResponse", "RerankResult"]


class RerankDocument(Object):
    """A document that was judged."""

    text: str = ""


class RerankResult(Object):
    """How relevant one document is.

    Attributes:
        index: its place in the request's `documents`.
        relevance_score: higher is better; scores of different models do not compare.
        document: its text, also where the platform left it out.
    """

    index: int
    relevance_score: float = 0.0
    document: RerankDocument | None = None


class RerankResponse(Object):
    """The results, in the platform's order: the best first."""

    results: list[RerankResult]
    id: str = ""
    model: str = ""
    usage: Usage | None = None


class Rerank(Endpoint):
    """`novita.rerank`."""

    @cached_property
    def with_raw_response(self) -> RawRerank:
        """The same calls, giving a `RawResponse`: status, headers, body, and `parse()` for the rest."""
        return RawRerank(self)

    async def create(
        self,
        *,
        model: str,
        query: str,
        documents: Sequence[str],
        top_n: int | None = None,
        extra_body: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> RerankResponse:
        """Score documents against a query.

        Args:
            model: model id, such as "baai/bge-reranker-v2-m3".
            query: what is looked for.
            documents: the texts to be scored, at least one.
            top_n: how many results to give, at least 1; all of them when None.
            extra_body: fields for the body that the SDK does not know; they win over known ones.
            extra_headers: headers for this call.
            extra_query: query parameters for this call.
            timeout: the whole call in seconds, retries and waits included.

        Raises:
            ValidationError: the documents are not a list of texts, or the query is none. Nothing was sent.
            APIError: the platform refused.

        Example:
            ranked = await novita.rerank.create(model=model, query="red fruit", documents=["apple", "sky"], top_n=1)
            print(ranked.results[0].document.text)

        Contract: llm.md section 11; POST /openai/v1/rerank.
        """
        _check_text("query", query)
        _check_documents(documents)
        check_count("top_n", top_n)
        call = self._call(
            "POST",
            "/rerank",
            {"model": require_model(model), "query": query, "documents": documents, "top_n": top_n},
            model=model,
            extra_body=extra_body,
            extra_headers=extra_headers,
            extra_query=extra_query,
            timeout=timeout,
            replay=Replay.COSTS,
        )

        def read(answer: Answer) -> RerankResponse:
            response = self._runtime.decode(answer, RerankResponse)
            for result in response.results:
                if (result.document is None or not result.document.text) and 0 <= result.index < len(documents):
                    result.document = RerankDocument(text=documents[result.index])
            return response

        return await self._give(call, read)


class RawRerank:
    """`novita.rerank.with_raw_response`."""

    def __init__(self, rerank: Rerank) -> None:
        self.create = as_raw(raw_twin(rerank).create)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be text, got {type(value).__name__}")
    if not value:
        raise ValidationError(f"{name} is empty")


def _check_documents(documents: object) -> None:
    if not is_list(documents):
        raise ValidationError(f"documents must be a list of texts, got {type(documents).__name__}")
    if not documents:
        raise ValidationError("documents is empty: there is nothing to score")
    for number, document in enumerate(documents):
        if not isinstance(document, str):
            raise ValidationError(f"documents[{number}] must be text, got {type(document).__name__}")
