"""What a type checker makes of the LLM side beyond chat. Not run: basedpyright checks it with the package, as it does
`inferred.py`, which says how.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, assert_type

import numpy
from numpy.typing import NDArray

from novita_async.llm.completions import Completion, CompletionChunk
from novita_async.llm.embeddings import EmbeddingList
from novita_async.llm.endpoint import RawResponse
from novita_async.llm.message_types import (
    AnthropicMessage,
    ContentBlockDeltaEvent,
    MessageEvent,
    TextBlock,
    TextBlockDelta,
)
from novita_async.llm.models import Model, ModelList
from novita_async.llm.rerank import RerankResponse
from novita_async.llm.responses import ResponseObject
from novita_async.runtime.streams import EventStream

if TYPE_CHECKING:
    from novita_async import AsyncNovita


async def completions(novita: AsyncNovita) -> None:
    create = novita.completions.create
    assert_type(await create(model="m", prompt="Once", max_tokens=5), Completion)
    assert_type(await create(model="m", prompt=[[1, 2], [3]]), Completion)
    assert_type(await create(model="m", prompt=["a"], stream=True), EventStream[CompletionChunk])
    await create(model="m", prompt="a", max_token=5)  # pyright: ignore[reportCallIssue]
    await create(model="m", prompt=7)  # pyright: ignore[reportArgumentType]


async def embeddings(novita: AsyncNovita) -> None:
    create = novita.embeddings.create
    assert_type(await create(model="m", input=["a"]), EmbeddingList[list[float]])
    assert_type((await create(model="m", input="a", encoding_format="float")).data[0].embedding, list[float])
    assert_type((await create(model="m", input="a", encoding_format="base64")).data[0].embedding, str)
    assert_type((await create(model="m", input=[1, 2], as_array=True)).data[0].embedding, NDArray[numpy.float32])
    ranked = await novita.rerank.create(model="m", query="q", documents=["a"])
    assert_type(ranked, RerankResponse)


async def models(novita: AsyncNovita) -> None:
    assert_type(await novita.models.list(), ModelList)
    async for model in novita.models.list():
        assert_type(model, Model)
        assert_type(model.price_at(5).cache_read, Decimal | None)
    assert_type(await novita.models.with_raw_response.list(), RawResponse[ModelList])


async def messages(novita: AsyncNovita) -> None:
    asked = [{"role": "user", "content": "hello"}]
    answer = await novita.messages.create(model="m", max_tokens=5, messages=asked)
    assert_type(answer, AnthropicMessage)
    block = answer.content[0]
    if isinstance(block, TextBlock):
        assert_type(block.text, str)
    await novita.messages.create(model="m", max_tokens=5, messages=[answer, {"role": "user", "content": [block]}])
    events = await novita.messages.create(model="m", max_tokens=5, messages=asked, stream=True)
    assert_type(events, EventStream[MessageEvent])
    async with novita.messages.stream(model="m", max_tokens=5, messages=asked) as stream:
        async for event in stream:
            assert_type(event, MessageEvent)
            if isinstance(event, ContentBlockDeltaEvent) and isinstance(event.delta, TextBlockDelta):
                assert_type(event.delta.text, str)
        assert_type(await stream.get_final_message(), AnthropicMessage)
    await novita.messages.create(model="m", messages=asked)  # pyright: ignore[reportCallIssue]


async def responses(novita: AsyncNovita) -> None:
    assert_type(await novita.responses.create(model="m", input="a", instructions="b"), ResponseObject)
    assert_type(await novita.responses.create(model="m", input="a", stream=True), EventStream[dict[str, Any]])
