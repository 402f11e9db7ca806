"""Every operation of contract/llm.openapi.yaml: called through the SDK, on the simulator, both judged by the contract.

The requests that the SDK sends and the answers that the simulator gives are validated as they pass. An operation that
no call here reaches fails the first test.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import msgspec
import openapi
import pytest
from helpers import inside
from msgspec import json

from novita_async import MockTransport, Reply
from novita_async.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from novita_async import AsyncNovita, Request, Simulator

PLAIN, TOOLS, THINKS, SEES = (
    "meta-llama/llama-3.1-8b-instruct",
    "deepseek/deepseek-v3.2",
    "minimax/minimax-m2",
    "qwen/qwen3-vl-8b-instruct",
)
openapi.operations()  # reads the file, here and not on the event loop

CALLS: list[Callable[[AsyncNovita], Awaitable[None]]] = []


class Judge:
    """A transport to a simulator that lets the contract look at what goes by.

    Attributes:
        seen: the operations that were called.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.seen: set[str] = set()
        self.transport = MockTransport(self._handle)
        self._simulator = simulator

    async def _handle(self, request: Request) -> Reply:
        path = "/" + request.url.partition("://")[2].partition("/")[2]
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([part async for part in body])
            request = msgspec.structs.replace(request, body=body)
        openapi.check_request(request.method, path, request.headers.get("content-type"), body)
        self.seen.add(openapi.operation_of(request.method, path) or path)
        reply = await self._simulator.handle(request)
        whole = reply.body if isinstance(reply.body, bytes) else b"".join([part async for part in reply.body])
        openapi.check_response(request.method, path, reply.status, reply.headers.get("content-type"), whole)
        return Reply(reply.status, reply.headers, whole)


def call(function: Callable[[AsyncNovita], Awaitable[None]]) -> Callable[[AsyncNovita], Awaitable[None]]:
    CALLS.append(function)
    return function


@call
async def chat(novita: AsyncNovita) -> None:
    answer = await novita.chat.completions.create(
        model=TOOLS,
        messages=[
            {"role": "system", "content": "Be short.", "name": "keeper"},
            {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        ],
        max_tokens=40,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        n=2,
        seed=1,
        stop=["\n"],
        frequency_penalty=0.1,
        presence_penalty=0.1,
        repetition_penalty=1.1,
        logit_bias={"5": -10},
        logprobs=True,
        top_logprobs=3,
        modalities=["text"],
        response_format={"type": "text"},
        context_length_exceeded_behavior="truncate",
        extra_body={"some_new_field": 1},
        extra_headers={"X-Novita-Source": "tests/1"},
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[0].logprobs is not None


@call
async def chat_stream(novita: AsyncNovita) -> None:
    async with novita.chat.completions.stream(
        model=THINKS,
        messages=[{"role": "user", "content": "Why?"}],
        reasoning_split=True,
        enable_thinking=True,
        separate_reasoning=True,
        reasoning_effort="low",
        thinking={"type": "enabled"},
        logprobs=True,
    ) as stream:
        assert (await stream.final()).usage is not None


@call
async def chat_tools(novita: AsyncNovita) -> None:
    function = {"name": "clock", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    tools: list[dict[str, Any]] = [{"type": "function", "function": function}]
    messages: list[Any] = [{"role": "user", "content": "Use clock for Oslo"}]
    answer = await novita.chat.completions.create(model=TOOLS, messages=messages, tools=tools, tool_choice="required")
    message = answer.choices[0].message
    assert message.tool_calls is not None
    messages += [message, {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "12:00"}]
    await novita.chat.completions.create(model=TOOLS, messages=messages, tools=tools)


@call
async def chat_with_a_picture(novita: AsyncNovita) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    await novita.chat.completions.create(model=SEES, messages=[{"role": "user", "content": [picture]}])


@call
async def completions(novita: AsyncNovita) -> None:
    whole = await novita.completions.create(
        model=PLAIN, prompt=["Once", "Twice"], max_tokens=8, n=2, best_of=3, logprobs=2, stop=".", seed=1
    )
    assert len(whole.choices) == 4
    async with await novita.completions.create(
        model=PLAIN, prompt="Once", max_tokens=8, stream=True, stream_options={"include_usage": True}
    ) as stream:
        assert [chunk async for chunk in stream][-1].usage is not None


@call
async def embeddings(novita: AsyncNovita) -> None:
    for form in (None, "float", "base64"):
        answer = await novita.embeddings.create(model="baai/bge-m3", input=["one", "two"], encoding_format=form)
        assert len(answer.data) == 2
    await novita.embeddings.create(model="baai/bge-m3", input=[[1, 2, 3], [4]])


@call
async def rerank(novita: AsyncNovita) -> None:
    answer = await novita.rerank.create(
        model="baai/bge-reranker-v2-m3", query="red fruit", documents=["the sky", "an apple is a red fruit"], top_n=1
    )
    assert answer.results[0].index == 1


@call
async def models(novita: AsyncNovita) -> None:
    listed = await novita.models.list()
    assert (await novita.models.retrieve(listed.data[0].id)).id == listed.data[0].id


@call
async def files_and_batches(novita: AsyncNovita) -> None:
    line = {"custom_id": "a", "body": {"model": PLAIN, "messages": [{"role": "user", "content": "x"}], "max_tokens": 4}}
    file = await novita.files.create(file=("lines.jsonl", json.encode(line)), purpose="batch")
    assert [item.id for item in (await novita.files.list()).data] == [file.id]
    assert (await novita.files.retrieve(file.id)).purpose == "batch"
    assert json.decode((await novita.files.content(file.id)).content) == line
    batch = await novita.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions")
    assert (await novita.batches.retrieve(batch.id)).id == batch.id
    assert [item.id for item in (await novita.batches.list()).data] == [batch.id]
    assert (await novita.batches.cancel(batch.id)).status in ("cancelling", "cancelled")
    assert (await novita.files.delete(file.id)).deleted


@call
async def batch_run(novita: AsyncNovita) -> None:
    bodies = [{"model": PLAIN, "messages": [{"role": "user", "content": str(n)}], "max_tokens": 4} for n in range(5)]
    async with await novita.batches.run(bodies) as results:
        assert [result.index async for result in results] == list(range(5))


@call
async def messages(novita: AsyncNovita) -> None:
    asked: dict[str, Any] = {
        "model": TOOLS,
        "max_tokens": 40,
        "system": [{"type": "text", "text": "Be short."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 10,
        "stop_sequences": ["\n\n"],
        "metadata": {"user_id": "1"},
    }
    assert (await novita.messages.create(**asked)).content
    async with novita.messages.stream(**asked) as stream:
        assert (await stream.get_final_message()).stop_reason


@call
async def responses(novita: AsyncNovita) -> None:
    capable = [model.id async for model in novita.models.list() if model.supports("responses")]
    answer = await novita.responses.create(model=capable[0], input="Hello")
    assert answer.raw["object"] == "response"


@call
async def refusals(novita: AsyncNovita) -> None:
    async def refused(calling: Awaitable[Any]) -> None:
        with pytest.raises(APIError):
            await calling

    await refused(novita.chat.completions.create(model="no/such", messages=[{"role": "user", "content": "x"}]))
    await refused(novita.completions.create(model="baai/bge-m3", prompt="x"))
    await refused(novita.embeddings.create(model=PLAIN, input="x"))
    await refused(novita.rerank.create(model=PLAIN, query="x", documents=["y"]))
    await refused(novita.models.retrieve("no/such"))
    await refused(novita.files.retrieve("file_none"))
    await refused(novita.files.content("file_none"))
    await refused(novita.batches.retrieve("batch_none"))
    await refused(novita.batches.cancel("batch_none"))
    await refused(novita.batches.create(input_file_id="file_none", endpoint="/v1/chat/completions"))
    await refused(novita.messages.create(model="no/such", max_tokens=1, messages=[{"role": "user", "content": "x"}]))
    await refused(novita.responses.create(model=PLAIN, input="x"))


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
async def test_requests_and_answers_are_what_the_contract_says(
    call: Callable[[AsyncNovita], Awaitable[None]], sim: Simulator
) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        await call(novita)
    assert judge.seen


async def test_every_operation_is_called(sim: Simulator) -> None:
    judge = Judge(sim)
    async with inside(sim, transport=judge.transport) as novita:
        for each in CALLS:
            await each(novita)
    assert judge.seen >= set(openapi.operations())


# ------------------------------------------------------------------------------------------------- the fields


def fields_of(schema: str) -> set[str]:
    """The properties of a schema, those that are only inferred among them."""
    return set(openapi.schema(schema)["properties"])


@pytest.mark.parametrize(
    ("schema", "params", "apart"),
    [
        ("ChatCompletionRequest", "novita_async.llm.chat:ChatParams", {"model", "messages", "stream"}),
        ("CompletionRequest", "novita_async.llm.completions:CompletionParams", {"model", "prompt", "stream"}),
    ],
)
def test_every_field_of_a_request_is_a_parameter(schema: str, params: str, apart: set[str]) -> None:
    module, _, name = params.partition(":")
    known = set(getattr(importlib.import_module(module), name).__annotations__)
    assert known | apart == fields_of(schema)


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ("ChatCompletion", "types:ChatCompletion"),
        ("ChatCompletionChunk", "types:ChatCompletionChunk"),
        ("ChatChoice", "types:Choice"),
        ("ChatChunkChoice", "types:ChunkChoice"),
        ("ChatResponseMessage", "types:Message"),
        ("ChatDelta", "types:Delta"),
        ("ReasoningDetail", "types:ReasoningDetail"),
        ("ToolCall", "types:ToolCall"),
        ("ToolCallDelta", "types:ToolCallDelta"),
        ("TokenLogprob", "types:TokenLogprob"),
        ("Usage", "types:Usage"),
        ("Completion", "completions:Completion"),
        ("CompletionChoice", "completions:CompletionChoice"),
        ("CompletionLogprobs", "completions:CompletionLogprobs"),
        ("EmbeddingList", "embeddings:EmbeddingList"),
        ("RerankResponse", "rerank:RerankResponse"),
        ("RerankResult", "rerank:RerankResult"),
        ("Model", "models:Model"),
        ("File", "files:File"),
        ("FileDeleted", "files:FileDeleted"),
        ("Batch", "batches:Batch"),
        ("AnthropicMessage", "message_types:AnthropicMessage"),
        ("AnthropicUsage", "message_types:AnthropicUsage"),
    ],
)
def test_every_field_of_an_answer_is_an_attribute(schema: str, type_: str) -> None:
    module, _, name = type_.partition(":")
    struct = getattr(importlib.import_module(f"novita_async.llm.{module}"), name)
    assert {field.encode_name for field in msgspec.structs.fields(struct)} >= fields_of(schema)
