"""Code written for `AsyncOpenAI` runs on `AsyncNovita`: the same scripts, on both, print the same.

Each client has a simulator of its own, of the same seed, behind a socket. Nothing but the import and the client's first
line would differ in a program that is moved over.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest

from novita_async import AsyncNovita, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

Print = "Callable[..., None]"
SCRIPTS: list[Callable[..., Awaitable[None]]] = []
PLAIN, TOOLS, THINKS, EMBEDS = (
    "meta-llama/llama-3.1-8b-instruct",
    "deepseek/deepseek-v3.2",
    "minimax/minimax-m2",
    "baai/bge-m3",
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def script(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    SCRIPTS.append(function)
    return function


class Recipe(pydantic.BaseModel):
    title: str
    steps: list[str]
    minutes: int | None


@script
async def whole_answer(client: Any, say: Print) -> None:
    answer = await client.chat.completions.create(
        model=PLAIN,
        messages=[{"role": "system", "content": "Be short."}, {"role": "user", "content": "Why do lighthouses flash?"}],
        max_tokens=64,
        temperature=0.7,
        seed=7,
    )
    choice = answer.choices[0]
    say(answer.object, answer.model, choice.index, choice.finish_reason, choice.message.role, choice.message.content)
    say(answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    say(answer.usage.prompt_tokens_details.cached_tokens)


@script
async def several_answers(client: Any, say: Print) -> None:
    answer = await client.chat.completions.create(
        model=PLAIN, messages=[{"role": "user", "content": "Name a colour."}], n=3, stop=["."], max_tokens=30
    )
    for choice in answer.choices:
        say(choice.index, choice.finish_reason, choice.message.content, choice.message.tool_calls)


@script
async def stream(client: Any, say: Print) -> None:
    chunks = await client.chat.completions.create(
        model=PLAIN,
        messages=[{"role": "user", "content": "Tell me a story about a heron."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in chunks:
        if chunk.choices:
            say(chunk.object, chunk.choices[0].delta.content, chunk.choices[0].finish_reason)
        elif chunk.usage:
            say("usage", chunk.usage.total_tokens)


@script
async def stream_left_early(client: Any, say: Print) -> None:
    stream = await client.chat.completions.create(
        model=PLAIN, messages=[{"role": "user", "content": "In 200 words: tides."}], stream=True
    )
    async with stream:
        async for chunk in stream:
            say(chunk.choices[0].delta.content)
            break
    say("left")


@script
async def tools(client: Any, say: Print) -> None:
    messages: list[Any] = [{"role": "user", "content": "Use get_weather for Oslo, please."}]
    answer = await client.chat.completions.create(model=TOOLS, messages=messages, tools=[WEATHER], tool_choice="auto")
    message = answer.choices[0].message
    say(answer.choices[0].finish_reason, message.content)
    messages.append(message)
    for call in message.tool_calls:
        say(call.type, call.function.name, json.loads(call.function.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'})
    answer = await client.chat.completions.create(model=TOOLS, messages=messages, tools=[WEATHER])
    say(answer.choices[0].message.content)


@script
async def streamed_tools(client: Any, say: Print) -> None:
    parts: dict[int, list[str]] = {}
    async for chunk in await client.chat.completions.create(
        model=TOOLS,
        messages=[{"role": "user", "content": "Use get_weather for Rome."}],
        tools=[WEATHER],
        tool_choice="required",
        stream=True,
    ):
        for call in chunk.choices[0].delta.tool_calls or []:
            parts.setdefault(call.index, []).append(call.function.arguments)
            if call.function.name:
                say(call.index, call.function.name)
    say({index: json.loads("".join(pieces)) for index, pieces in parts.items()})


@script
async def parsed(client: Any, say: Print) -> None:
    completion = await client.chat.completions.parse(
        model=TOOLS, messages=[{"role": "user", "content": "A recipe for pancakes."}], response_format=Recipe
    )
    recipe = completion.choices[0].message.parsed
    # The two packages write the schema with other words in it, and the model's answer goes by them.
    say(type(recipe).__name__, recipe.title, recipe.steps, type(recipe.minutes).__name__)


@script
async def json_object(client: Any, say: Print) -> None:
    answer = await client.chat.completions.create(
        model=TOOLS,
        messages=[{"role": "user", "content": "Three facts about snow, as JSON."}],
        response_format={"type": "json_object"},
        logprobs=True,
        top_logprobs=2,
    )
    say(json.loads(answer.choices[0].message.content))
    first = answer.choices[0].logprobs.content[0]
    say(first.token, first.logprob, first.bytes, [(top.token, top.logprob) for top in first.top_logprobs])


@script
async def fields_of_novita(client: Any, say: Print) -> None:
    answer = await client.chat.completions.create(
        model=THINKS,
        messages=[{"role": "user", "content": "Why is the sky blue?"}],
        extra_body={"reasoning_split": True, "top_k": 40, "min_p": 0.1, "repetition_penalty": 1.1},
        extra_headers={"X-Trace": "1"},
        extra_query={"trace": "1"},
    )
    say(answer.choices[0].message.reasoning_content)
    say(answer.choices[0].message.content)


@script
async def raw_response(client: Any, say: Print) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model=PLAIN, messages=[{"role": "user", "content": "Hello"}]
    )
    say(raw.status_code, raw.headers["content-type"], json.loads(raw.text)["object"], json.loads(raw.content)["model"])
    say(raw.parse().choices[0].message.content)


@script
async def options(client: Any, say: Print) -> None:
    quick = client.with_options(max_retries=0, timeout=20)
    answer = await quick.chat.completions.create(
        model=PLAIN, messages=[{"role": "user", "content": "Hello"}], timeout=15
    )
    say(answer.choices[0].message.content)


@script
async def completions(client: Any, say: Print) -> None:
    answer = await client.completions.create(
        model=PLAIN, prompt=["Once upon a time", "It was dark"], max_tokens=12, logprobs=2
    )
    for choice in answer.choices:
        say(choice.index, choice.text, choice.finish_reason, choice.logprobs.tokens, choice.logprobs.token_logprobs)
    say(answer.object, answer.usage.total_tokens)
    async for chunk in await client.completions.create(model=PLAIN, prompt="And so", max_tokens=6, stream=True):
        say([(choice.text, choice.finish_reason) for choice in chunk.choices])


@script
async def embeddings(client: Any, say: Print) -> None:
    answer = await client.embeddings.create(model=EMBEDS, input=["a cat", "a dog", "a spanner"])
    for item in answer.data:
        say(item.object, item.index, len(item.embedding), [round(value, 6) for value in item.embedding[:4]])
    say(answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens)
    answer = await client.embeddings.create(model=EMBEDS, input="one text", encoding_format="float")
    say([round(value, 6) for value in answer.data[0].embedding[:4]])


@script
async def models(client: Any, say: Print) -> None:
    async for model in client.models.list():
        say(model.id, model.object, model.owned_by)
    page = await client.models.list()
    say(len(page.data))
    model = await client.models.retrieve("deepseek/deepseek-v3.2")
    say(model.id, model.created)


@script
async def files_and_batches(client: Any, say: Print, path: Path) -> None:
    lines = [
        {
            "custom_id": f"line-{number}",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": PLAIN, "messages": [{"role": "user", "content": f"Say {number}"}], "max_tokens": 8},
        }
        for number in range(3)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    with path.open("rb") as file:
        uploaded = await client.files.create(file=file, purpose="batch")
    say(uploaded.object, uploaded.bytes, uploaded.filename, uploaded.purpose)
    say((await client.files.retrieve(uploaded.id)).id == uploaded.id)
    batch = await client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    say(batch.object, batch.endpoint)
    while batch.status.lower() not in ("completed", "failed", "expired", "cancelled"):
        batch = await client.batches.retrieve(batch.id)
    say(batch.status.lower(), batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed)
    content = await client.files.content(batch.output_file_id)
    answers = sorted((json.loads(line) for line in content.text.splitlines()), key=lambda line: line["custom_id"])
    for answer in answers:
        say(answer["custom_id"], answer["response"]["body"]["choices"][0]["message"]["content"])
    say([item.id == batch.id for item in (await client.batches.list()).data])
    say((await client.files.delete(uploaded.id)).deleted)


@contextlib.asynccontextmanager
async def on_openai(simulator: Simulator) -> AsyncIterator[Any]:
    async with simulator.serve() as served:
        url = served.environment["NOVITA_LLM_BASE_URL"]
        async with openai.AsyncOpenAI(api_key=simulator.api_key, base_url=url) as client:
            yield client


@contextlib.asynccontextmanager
async def on_novita(simulator: Simulator) -> AsyncIterator[Any]:
    async with simulator.serve() as served:
        url = served.environment["NOVITA_LLM_BASE_URL"]
        async with AsyncNovita(api_key=simulator.api_key, llm_base_url=url) as client:
            yield client


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
async def test_a_script_prints_the_same_on_both(script: Callable[..., Awaitable[None]], tmp_path: Path) -> None:
    printed: list[list[str]] = []
    for connect in (on_openai, on_novita):
        lines: list[str] = []
        more = {"path": tmp_path / "batch.jsonl"} if "path" in inspect.signature(script).parameters else {}
        async with Simulator(seed=3) as simulator, connect(simulator) as client:
            await script(client, lambda *values, lines=lines: lines.append(" ".join(map(repr, values))), **more)
        printed.append(lines)
    assert printed[0]
    assert printed[1] == printed[0]
