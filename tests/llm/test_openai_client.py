"""The `openai` package itself, pointed at the simulator: code that works with the platform works here."""

from __future__ import annotations

import asyncio
import inspect
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import openai
import pydantic
import pytest

from novita_async.simulator import Refuse, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MODEL, THINKER, OSS = "deepseek/deepseek-v3.2", "zai-org/glm-4.5", "openai/gpt-oss-20b"
LLAMA, BGE = "meta-llama/llama-3.1-8b-instruct", "baai/bge-m3"
TURN: Any = [{"role": "user", "content": "Why is the sky blue?"}]
CLOCK: Any = {
    "type": "function",
    "function": {
        "name": "local_time",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Client:
    """The synchronous client, in a thread, or the asynchronous one, with one manner of use."""

    def __init__(self, client: openai.OpenAI | openai.AsyncOpenAI) -> None:
        self.client = client

    async def __call__(self, path: str, **arguments: Any) -> Any:
        """The result of a method, such as "chat.completions.create"; a stream or a list as its items."""
        method: Any = self.client
        for name in path.split("."):
            method = getattr(method, name)
        if isinstance(self.client, openai.OpenAI):
            return await asyncio.to_thread(lambda: _taken(method(**arguments)))
        found = method(**arguments)
        if inspect.isawaitable(found):
            found = await found
        if isinstance(found, openai.AsyncStream):
            async with found as stream:
                return [item async for item in stream]
        return found


def _taken(found: Any) -> Any:
    if isinstance(found, openai.Stream):
        with found as stream:
            return list(stream)
    return found


@asynccontextmanager
async def opened(kind: str, url: str, key: str) -> AsyncIterator[Client]:
    options: dict[str, Any] = {"base_url": f"{url}/openai/v1", "api_key": key, "max_retries": 0}
    if kind == "async":
        async with openai.AsyncOpenAI(**options) as client:
            yield Client(client)
    else:
        with openai.OpenAI(**options) as client:
            yield Client(client)


@pytest.fixture
async def served() -> AsyncIterator[tuple[Simulator, str]]:
    async with Simulator() as sim, sim.serve() as served:
        yield sim, served.url


@pytest.fixture(params=["async", "sync"])
async def client(request: pytest.FixtureRequest, served: tuple[Simulator, str]) -> AsyncIterator[Client]:
    sim, url = served
    async with opened(request.param, url, sim.api_key) as client:
        yield client


async def test_a_chat_whole_and_streamed(client: Client):
    whole = await client("chat.completions.create", model=MODEL, messages=TURN, n=2, logprobs=True, top_logprobs=2)
    assert whole.choices[0].finish_reason == "stop"
    assert "the sky blue" in whole.choices[0].message.content
    assert len(whole.choices[1].logprobs.content[0].top_logprobs) == 2
    assert whole.usage.prompt_tokens_details.cached_tokens == 0
    usage = {"include_usage": True}
    chunks = await client("chat.completions.create", model=MODEL, messages=TURN, stream=True, stream_options=usage)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens > 10
    assert [choice.finish_reason for choice in chunks[-2].choices] == ["stop"]


async def test_reasoning_comes_as_a_field_that_the_client_keeps(client: Client):
    whole = await client("chat.completions.create", model=THINKER, messages=TURN)
    assert "The user asks" in whole.choices[0].message.reasoning_content
    off = await client("chat.completions.create", model=THINKER, messages=TURN, extra_body={"enable_thinking": False})
    assert off.choices[0].message.content == whole.choices[0].message.content
    assert not hasattr(off.choices[0].message, "reasoning_content")


async def test_a_tool_there_and_back(client: Client):
    ask = [{"role": "user", "content": "What is the local time in Oslo?"}]
    first = await client("chat.completions.create", model=MODEL, messages=ask, tools=[CLOCK])
    message = first.choices[0].message
    assert message.tool_calls[0].function.arguments == '{"city":"Oslo"}'
    answer = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "a quarter past noon"}
    second = await client("chat.completions.create", model=MODEL, messages=[*ask, message, answer], tools=[CLOCK])
    assert "a quarter past noon" in second.choices[0].message.content


class Pet(pydantic.BaseModel):
    name: str
    kind: Literal["cat", "dog"]


class Person(pydantic.BaseModel):
    name: str
    age: int
    nickname: str | None
    pets: list[Pet]


async def test_structured_output_is_parsed_into_a_model_of_pydantic(client: Client):
    ask = [{"role": "user", "content": "Anna is 31 and has a cat."}]
    found = await client("chat.completions.parse", model=MODEL, messages=ask, response_format=Person)
    person = found.choices[0].message.parsed
    assert isinstance(person, Person)
    assert (person.name, person.age) == ("Anna", 31)
    tool = openai.pydantic_function_tool(Person)
    found = await client("chat.completions.parse", model=MODEL, messages=ask, tools=[tool], tool_choice="required")
    assert isinstance(found.choices[0].message.tool_calls[0].function.parsed_arguments, Person)


async def test_completions_whole_and_streamed(client: Client):
    ask: dict[str, Any] = {"model": LLAMA, "prompt": ["The sea", "The sky"], "max_tokens": 8, "logprobs": 1}
    whole = await client("completions.create", **ask)
    assert [choice.finish_reason for choice in whole.choices] == ["length", "length"]
    chunks = await client("completions.create", **ask, stream=True)
    for choice in whole.choices:
        parts = [part for chunk in chunks for part in chunk.choices if part.index == choice.index]
        assert "".join(part.text for part in parts) == choice.text
        assert "".join(choice.logprobs.tokens) == choice.text
    assert chunks[-1].usage == whole.usage


async def test_embeddings_are_decoded_from_base64(client: Client):
    texts = ["a lighthouse", "the lighthouse"]
    found = await client("embeddings.create", model=BGE, input=texts)  # asks for base64 of itself
    floats = await client("embeddings.create", model=BGE, input=texts, encoding_format="float")
    for one, other in zip(found.data, floats.data, strict=True):
        assert len(one.embedding) == 1024
        assert all(math.isclose(left, right, rel_tol=1e-6) for left, right in zip(one.embedding, other.embedding))  # noqa: B905 - the lengths were compared
    assert found.usage.prompt_tokens > 0


async def test_models_are_listed_and_retrieved(client: Client):
    listed = await client("models.list")
    assert {model.id for model in listed.data} > {MODEL, BGE, OSS}
    model = await client("models.retrieve", model="Sao10K/L3-8B-Stheno-v3.2")
    assert (model.id, model.owned_by, model.context_size) == ("Sao10K/L3-8B-Stheno-v3.2", "Sao10K", 8192)


async def test_responses_whole_and_streamed(client: Client):
    whole = await client("responses.create", model=OSS, input="Why is the sky blue?")
    assert "the sky blue" in whole.output_text
    events = await client("responses.create", model=OSS, input="Why is the sky blue?", stream=True)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text
    assert events[-1].response.output_text == whole.output_text


async def test_errors_become_the_clients_own(client: Client, served: tuple[Simulator, str]):
    sim, _ = served
    with pytest.raises(openai.NotFoundError) as missing:
        await client("chat.completions.create", model="nobody/nothing", messages=TURN)
    assert missing.value.body["reason"] == "MODEL_NOT_FOUND"
    with pytest.raises(openai.BadRequestError, match="max_tokens"):
        await client("chat.completions.create", model=MODEL, messages=TURN, max_tokens=10**7)
    sim.limit(MODEL, tpm=1)
    with pytest.raises(openai.RateLimitError, match="token rate over the limit"):
        await client("chat.completions.create", model=MODEL, messages=TURN)
    sim.fault("GET", "/openai/v1/models", Refuse.with_status(503))
    with pytest.raises(openai.InternalServerError):
        await client("models.list")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_wrong_key_is_an_authentication_error(kind: str, served: tuple[Simulator, str]):
    async with opened(kind, served[1], "sk_wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client("models.list")


async def test_a_stream_is_built_into_a_completion_by_the_clients_helper(served: tuple[Simulator, str]):
    sim, url = served
    async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=sim.api_key) as client:
        options: Any = {"model": MODEL, "messages": [{"role": "user", "content": "local_time in Oslo?"}]}
        async with client.chat.completions.stream(
            **options, tools=[openai.pydantic_function_tool(Pet), CLOCK]
        ) as stream:
            kinds = {event.type async for event in stream}
            completion = await stream.get_final_completion()
    assert {"chunk", "tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds
    assert completion.choices[0].message.tool_calls is not None
    assert completion.choices[0].message.tool_calls[0].function.arguments == '{"city":"Oslo"}'
