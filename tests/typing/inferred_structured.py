"""What a type checker makes of structured output and tools. Not run: see `inferred`."""
# pyright: reportUnnecessaryTypeIgnoreComment=error, reportUnusedCallResult=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, assert_type

import msgspec

from novita_async.llm import ChatStream, ParsedChatCompletion, ParsedStream, Tool, ToolRun, image, tool
from novita_async.llm.content import Part

if TYPE_CHECKING:
    from novita_async import AsyncNovita


class Recipe(msgspec.Struct):
    title: str


class Place(TypedDict):
    city: str


MESSAGES = [{"role": "user", "content": "hello"}]


async def structured(novita: AsyncNovita) -> None:
    chat = novita.chat.completions
    completion = await chat.parse(model="m", messages=MESSAGES, response_format=Recipe, temperature=0)
    assert_type(completion, ParsedChatCompletion[Recipe])
    assert_type(completion.choices[0].message.parsed, Recipe | None)
    assert_type(completion.choices[0].message.content, str | None)
    await chat.create(model="m", messages=[completion.choices[0].message])
    places = await chat.parse(model="m", messages=MESSAGES, response_format=list[Place])
    assert_type(places.choices[0].message.parsed, list[Place] | None)
    await chat.parse(model="m", messages=MESSAGES, response_format=Recipe | None)
    async with chat.stream(model="m", messages=MESSAGES, response_format=Recipe) as stream:
        assert_type(stream, ParsedStream[Recipe])
        assert_type(await stream.parsed(), Recipe)
    plain = chat.stream(model="m", messages=MESSAGES, response_format={"type": "json_object"})
    assert_type(plain, ChatStream)
    raw = await chat.with_raw_response.parse(model="m", messages=MESSAGES, response_format=Recipe)
    assert_type(raw.status_code, int)
    await chat.parse(model="m", messages=MESSAGES)  # pyright: ignore[reportCallIssue]
    await chat.parse(model="m", messages=MESSAGES, response_format=Recipe, top=1)  # pyright: ignore[reportCallIssue]


@tool
async def add(a: int, b: int = 1) -> int:
    return a + b


@tool(name="say")
def speak(word: str) -> str:
    return word


async def tools(novita: AsyncNovita) -> None:
    assert_type(await add(1, b=2), int)
    assert_type(speak("x"), str)
    await add("x")  # pyright: ignore[reportArgumentType]
    made: Tool[..., Any] = add
    run = await novita.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[made, speak, len])
    assert_type(run, ToolRun)
    assert_type(run.turns, int)
    await novita.chat.completions.create(model="m", messages=MESSAGES, tools=[add, {"type": "function"}])
    by_hand = {"type": "function"}
    await novita.chat.completions.run_tools(model="m", messages=MESSAGES, tools=[by_hand])  # pyright: ignore[reportArgumentType]
    assert_type(image(b"", detail="low"), Part)
    image("x", detail="much")  # pyright: ignore[reportArgumentType]
