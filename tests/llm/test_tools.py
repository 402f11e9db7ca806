"""Functions as tools, and `run_tools`: what the model is told of them, and what happens when it calls them."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import functools
import sys
import threading
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from helpers import ASK, MODEL, Server, completion, connected, inside, json_reply, turns

from novita_async.errors import BadRequest, CallTimeout, ToolError, TooManyTurns, ValidationError
from novita_async.llm import Tool, tool
from novita_async.llm.tools import definitions


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Place(msgspec.Struct):
    city: str
    country: str | None = None


async def weather(
    place: Place,
    unit: Unit = Unit.CELSIUS,
    days: Annotated[int, msgspec.Meta(ge=1, le=14)] = 1,
    detail: Literal["short", "long"] | None = None,
    *,
    since: datetime.date | None = None,
) -> dict[str, Any]:
    """Tell the weather.

    It is made up.

    Args:
        place: where,
            roughly.
        unit: of the temperature.
        days: how many.

    Returns:
        The weather.
    """
    return {"city": place.city, "unit": unit, "days": days, "detail": detail, "since": since}


def call(name, arguments="{}", id_="0"):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls, **message):
    said = {"role": "assistant", "content": None, "tool_calls": list(calls), **message}
    return {"choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}]}


def bodies(server):
    return [msgspec.json.decode(request.body) for request in server.requests]


def told(server, turn=1):
    """What the tools answered before a turn."""
    return [message["content"] for message in bodies(server)[turn]["messages"] if message["role"] == "tool"]


# ------------------------------------------------------------------------------------------- the definition


def test_a_tool_is_told_of_as_its_types_and_its_docstring_have_it():
    assert Tool(weather).definition == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.\n\nIt is made up.",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"$ref": "#/$defs/Place", "description": "where, roughly."},
                    "unit": {"$ref": "#/$defs/Unit", "description": "of the temperature.", "default": "C"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 14, "description": "how many.", "default": 1},
                    "detail": {"anyOf": [{"enum": ["long", "short"]}, {"type": "null"}], "default": None},
                    "since": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
                },
                "required": ["place"],
                "additionalProperties": False,
                "$defs": {
                    "Place": {
                        "title": "Place",
                        "type": "object",
                        "properties": {
                            "city": {"type": "string"},
                            "country": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                        },
                        "required": ["city"],
                    },
                    "Unit": {"title": "Unit", "enum": ["C", "F"]},
                },
            },
        },
    }


def test_without_docstring_parser_the_first_paragraph_is_the_description(monkeypatch):
    monkeypatch.setitem(sys.modules, "docstring_parser", None)
    function = Tool(weather).definition["function"]
    assert function["description"] == "Tell the weather."
    assert "description" not in function["parameters"]["properties"]["place"]


def test_a_description_in_the_type_or_in_the_decorator_wins():
    @tool(name="find-it", description="Finds it.")
    def find(what: Annotated[str, msgspec.Meta(description="the thing")]) -> str:
        """Find.

        :param what: something
        """
        return what

    function = find.definition["function"]
    assert (function["name"], function["description"]) == ("find-it", "Finds it.")
    assert function["parameters"]["properties"]["what"]["description"] == "the thing"
    assert find("x") == "x"
    assert repr(find) == "<Tool find-it>"


def test_a_strict_tool_requires_everything():
    @tool(strict=True)
    def book(room: str, nights: int = 1, note: str | None = None) -> None: ...

    function = book.definition["function"]
    assert function["strict"] is True
    assert function["parameters"]["required"] == ["room", "nights", "note"]
    assert function["parameters"]["properties"]["nights"] == {"type": "integer"}

    @tool(strict=True)
    def free(filters: dict[str, str]) -> None: ...

    with pytest.raises(ValidationError, match="free cannot be strict"):
        _ = free.definition


class Shop:
    def __init__(self, name):
        self.name = name

    def price(self, item: str) -> str:
        """Tell a price."""
        return f"{item} at {self.name}"

    async def __call__(self, item: str) -> str:
        return self.price(item)


@pytest.mark.parametrize(
    ("function", "name", "given"),
    [
        (Shop("here").price, "price", {"item": "bread"}),
        (Shop("here"), "shop", {"item": "bread"}),
        (functools.partial(Shop.price, Shop("here")), "price", {"item": "bread"}),
    ],
    ids=["method", "object", "partial"],
)
async def test_whatever_can_be_called_can_be_a_tool(clock, function, name, given):
    made = Tool(function, name=name)
    assert list(made.definition["function"]["parameters"]["properties"]) == list(given)
    server = Server(clock, calling(call(name, '{"item": "bread"}')), completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.run_tools(**ASK, tools=[made])
    assert told(server) == ["bread at here"]


def test_types_that_are_defined_later_are_found_when_the_tool_is_used():
    assert list(LATE.definition["function"]["parameters"]["$defs"]) == ["Later"]


@tool
def LATE(value: Later) -> None: ...


class Later(msgspec.Struct):
    x: int


# ---------------------------------------------------------------------------------------- what is refused


def untyped(x): ...


def any_number(*values: int): ...


def by_place(x: int, /): ...


def opaque(x: Shop): ...


def nowhere(x: Nowhere): ...  # noqa: F821 - that is the point


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ([untyped], "untyped: the parameter x has no type"),
        ([any_number], "any_number: the parameter values cannot be filled by name"),
        ([by_place], "cannot be filled by name"),
        ([opaque], "made of opaque: type <class 'test_tools.Shop'> is not supported"),
        ([nowhere], "the types of nowhere cannot be read: name 'Nowhere'"),
        ([lambda: 1], "'<lambda>' names no tool"),
        ([7], "a tool is made of a function, got int"),
        (weather, "tools must be a list, got function"),
        (Tool(weather), "tools must be a list, got Tool"),
        ("weather", "tools must be a list, got str"),
        ([weather, Tool(weather)], r"tools\[1\]: there is another tool named 'weather'"),
    ],
)
async def test_what_is_no_tool_is_refused_before_anything_is_sent(clock, tools, words):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.chat.completions.run_tools(**ASK, tools=tools)
        with pytest.raises(ValidationError, match=words):
            await novita.chat.completions.create(**ASK, tools=tools)
    assert server.requests == []


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"type": "web_search"}, r"tools\[0\] has no function"),
        ({"type": "function", "function": {}}, "None names no tool"),
        ({"type": "function", "function": {"name": "a b"}}, "'a b' names no tool"),
        ({"type": "function", "function": {"name": "x" * 65}}, "names no tool"),
        ({"type": "function", "function": {"name": "f", "parameters": "x"}}, "must be a JSON Schema, got str"),
        ({"type": "function", "function": {"name": "f", "parameters": {"type": object()}}}, "of f is not JSON"),
    ],
)
async def test_a_definition_by_hand_is_looked_at_too(clock, definition, words):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.chat.completions.create(**ASK, tools=[definition])
        with pytest.raises(ValidationError, match="a tool is made of a function, got dict"):
            await novita.chat.completions.run_tools(**ASK, tools=[definition])
    assert server.requests == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"max_turns": 0}, "max_turns must be a whole number from 1 on, got 0"),
        ({"parallel": 0}, "parallel must be a whole number"),
        ({"parallel": 1.5}, "parallel must be a whole number"),
        ({"on_tool_error": "ignore"}, "on_tool_error must be 'return' or 'raise'"),
        ({"n": 2}, "one answer a turn"),
        ({"messages": []}, "messages is empty"),
        ({"timeout": -1}, "timeout must be a positive number"),
    ],
)
async def test_numbers_that_cannot_be_are_refused_before_anything_is_sent(clock, given, words):
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        with pytest.raises(ValidationError, match=words):
            await novita.chat.completions.run_tools(**{**ASK, "tools": [weather], **given})
        with pytest.raises(TypeError, match=r"run_tools\(\) got an unexpected keyword argument 'stream'"):
            await novita.chat.completions.run_tools(**ASK, tools=[weather], stream=True)
    assert server.requests == []


async def test_functions_and_definitions_stand_side_by_side_in_create(clock):
    by_hand = {"type": "function", "function": {"name": "by_hand"}}
    server = Server(clock, completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.create(**ASK, tools=[weather, Tool(weather, name="again"), by_hand])
    names = [each["function"]["name"] for each in bodies(server)[0]["tools"]]
    assert names == ["weather", "again", "by_hand"]
    assert definitions([by_hand]) == [by_hand]


# ------------------------------------------------------------------------------------------- the arguments


def test_arguments_come_checked_and_of_the_functions_types():
    found = Tool(weather).arguments('{"place": {"city": "Oslo"}, "unit": "F", "days": "3", "since": "2026-01-02"}')
    assert found == {
        "place": Place("Oslo"),
        "unit": Unit.FAHRENHEIT,
        "days": 3,
        "since": datetime.date(2026, 1, 2),
    }


@pytest.mark.parametrize("text", ["", "  ", "{}"])
def test_no_arguments_are_none(text):
    @tool
    def now() -> str:
        return "noon"

    assert now.arguments(text) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Input data was truncated"),
        ("nonsense", "JSON is malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `place`"),
        ('{"place": {"city": 3}}', r"Expected `str`, got `int` - at `\$.place.city`"),
        ('{"place": {"city": "x"}, "days": 15}', "<= 14"),
        ('{"place": {"city": "x"}, "unit": "K"}', "Invalid enum value 'K'"),
        ('{"place": {"city": "x"}, "dais": 1}', "no parameter 'dais'; it has place, unit, days, detail, since"),
    ],
)
def test_arguments_that_do_not_fit_say_where(text, words):
    with pytest.raises(ToolError, match=words) as caught:
        Tool(weather).arguments(text)
    assert (caught.value.tool, caught.value.arguments) == ("weather", text)


def test_parameters_may_be_models_of_pydantic():
    class Person(pydantic.BaseModel):
        name: str = pydantic.Field(min_length=2)

    def greet(person: Person, times: int = 1) -> str:
        return person.name * times

    greet.__annotations__["person"] = Person  # as it stands without `from __future__ import annotations`
    made = Tool(greet)
    assert made.definition["function"]["parameters"]["required"] == ["person"]
    found = made.arguments('{"person": {"name": "Ada"}}')
    assert greet(**found) == "Ada"
    with pytest.raises(ToolError, match="at least 2 characters"):
        made.arguments('{"person": {"name": "A"}}')


# ---------------------------------------------------------------------------------------------- the loop


async def test_a_model_of_the_simulator_calls_a_function_and_speaks_of_what_it_gave(sim):
    @tool
    async def local_time(city: str) -> str:
        """The time in a city."""
        return f"noon in {city}"

    ask = {"model": MODEL, "messages": [{"role": "user", "content": "What is the local time in Oslo?"}]}
    async with inside(sim) as novita:
        run = await novita.chat.completions.run_tools(**ask, tools=[local_time])
    assert run.turns == 2
    assert [message["role"] for message in run.messages] == ["user", "assistant", "tool", "assistant"]
    assert run.messages[2]["content"] == "noon in Oslo"
    assert "noon in Oslo" in run.completion.choices[0].message.content
    assert len(ask["messages"]) == 1  # the caller's own list is left alone


async def test_the_loop_goes_on_until_no_tool_is_called_and_ids_may_repeat(clock):
    seen = []

    def note(word: str) -> None:
        seen.append(word)

    answers = [calling(call("note", f'{{"word": "{word}"}}')) for word in ("one", "two", "three")]
    server = Server(clock, *answers, completion("done"))
    async with connected(server, clock) as novita:
        run = await novita.chat.completions.run_tools(**ASK, tools=[note], temperature=0, extra_body={"novel": 1})
    assert (seen, run.turns) == (["one", "two", "three"], 4)
    for body in bodies(server):
        assert (body["temperature"], body["novel"], len(body["tools"])) == (0, 1, 1)
    assert bodies(server)[3]["messages"] == run.messages[:-1]
    assert [message.get("tool_call_id") for message in run.messages if message["role"] == "tool"] == ["0"] * 3


async def test_the_answer_is_replayed_as_it_came_with_what_nobody_knows(clock):
    said = calling(
        {**call("now"), "index": 0, "novel": {"deep": [1]}},
        content="",
        reasoning_content="hm",
        reasoning_details=[{"type": "reasoning.encrypted", "data": "b64==", "index": 0, "signature": "s"}],
        unheard_of=None,
    )
    server = Server(clock, said, completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.run_tools(**ASK, tools=[Tool(lambda: "noon", name="now")])
    assert bodies(server)[1]["messages"][1] == said["choices"][0]["message"]


async def test_a_choice_that_forces_a_call_holds_for_the_first_turn(clock):
    for choice, later in (("required", None), ("none", "none"), (None, None)):
        server = Server(clock, calling(call("now")), completion())
        async with connected(server, clock) as novita:
            await novita.chat.completions.run_tools(**ASK, tools=[Tool(lambda: "noon", name="now")], tool_choice=choice)
        assert [body.get("tool_choice") for body in bodies(server)] == [choice, later]


@dataclasses.dataclass
class Reading:
    value: float


class Model(pydantic.BaseModel):
    name: str = "x"


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        (None, "null"),
        (3.5, "3.5"),
        ({"a": [1]}, '{"a":[1]}'),
        (Place("Oslo"), '{"city":"Oslo","country":null}'),
        ([Reading(1.0)], '[{"value":1.0}]'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        (Model(), '{"name":"x"}'),
        ([Model()], '[{"name":"x"}]'),
    ],
)
async def test_what_a_function_gives_is_text_or_becomes_json(clock, result, content):
    server = Server(clock, calling(call("give")), completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.run_tools(**ASK, tools=[Tool(lambda: result, name="give")])
    assert told(server) == [content]


# -------------------------------------------------------------------------------------- what goes wrong


def broken(reason: str) -> None:
    raise KeyError(reason)


async def gives_up() -> None:
    raise asyncio.CancelledError


def unwritable() -> object:
    return object()


FAILURES = [
    (call("broken", '{"reason": "lost"}'), "KeyError: 'lost'"),
    (call("broken", "{"), "the arguments are wrong: Input data was truncated"),
    (call("brokn"), "there is no such tool; there are broken, gives_up, unwritable"),
    (call("gives_up"), "it was cancelled"),
    (call("unwritable"), "TypeError: a tool gave a object, which cannot be written as JSON"),
]
TOOLS = [broken, gives_up, unwritable]


@pytest.mark.parametrize(("wrong", "words"), FAILURES, ids=[words[:12] for _, words in FAILURES])
async def test_the_model_is_told_what_went_wrong_and_the_loop_goes_on(clock, wrong, words):
    server = Server(clock, calling(wrong), completion("sorry"))
    async with connected(server, clock) as novita:
        run = await novita.chat.completions.run_tools(**ASK, tools=TOOLS)
    assert run.turns == 2
    assert told(server) == [msgspec.json.encode({"error": words}).decode()]


@pytest.mark.parametrize(("wrong", "words"), FAILURES, ids=[words[:12] for _, words in FAILURES])
async def test_or_it_is_raised_where_that_was_asked_for(clock, wrong, words):
    server = Server(clock, calling(wrong), completion("sorry"))
    async with connected(server, clock) as novita:
        with pytest.raises(ToolError) as caught:
            await novita.chat.completions.run_tools(**ASK, tools=TOOLS, on_tool_error="raise")
    error = caught.value
    assert (error.reason, error.tool) == (words, wrong["function"]["name"])
    assert error.arguments == wrong["function"]["arguments"]
    assert [message["role"] for message in error.partial] == ["user", "assistant"]
    assert isinstance(error.__cause__, KeyError) == words.startswith("KeyError")
    assert len(server.requests) == 1


async def test_too_many_turns_end_in_an_error_that_can_be_carried_on_from(clock):
    server = Server(clock, calling(call("now")))
    now = Tool(lambda: "noon", name="now")
    async with connected(server, clock) as novita:
        with pytest.raises(TooManyTurns, match="after 3 turns") as caught:
            await novita.chat.completions.run_tools(**ASK, tools=[now], max_turns=3)
        messages = caught.value.messages
        assert len(server.requests) == 3
        assert [message["role"] for message in messages] == ["user", *(["assistant", "tool"] * 3)]
        assert caught.value.completion.choices[0].message.tool_calls
        server.answers[:] = [completion("at last")]
        run = await novita.chat.completions.run_tools(model=MODEL, messages=messages, tools=[now])
    assert run.completion.choices[0].message.content == "at last"


async def test_an_error_of_the_platform_has_the_messages_so_far(clock):
    refused = json_reply({"code": 400, "reason": "INVALID_REQUEST_BODY", "message": "no"}, 400)
    server = Server(clock, calling(call("now")), refused)
    async with connected(server, clock) as novita:
        with pytest.raises(BadRequest) as caught:
            await novita.chat.completions.run_tools(**ASK, tools=[Tool(lambda: "noon", name="now")])
    assert [message["role"] for message in caught.value.partial] == ["user", "assistant", "tool"]


async def test_an_answer_without_choices_ends_the_run(clock):
    async with connected(Server(clock, {"choices": []}), clock) as novita:
        run = await novita.chat.completions.run_tools(**ASK, tools=[weather])
    assert (run.turns, run.messages) == (1, ASK["messages"])


# ------------------------------------------------------------------------------------- several at once


class Watch:
    """A tool that sleeps, and knows how many of it run."""

    def __init__(self, clock):
        self.clock = clock
        self.running = self.most = self.ended = self.cancelled = 0

    async def doze(self, seconds: float) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.clock.sleep(seconds)
            self.ended += 1
            return f"{seconds:g}"
        except asyncio.CancelledError:
            await self.clock.sleep(1)  # it takes its time
            self.cancelled += 1
            raise
        finally:
            self.running -= 1


def dozing(*seconds):
    return calling(*(call("doze", f'{{"seconds": {each}}}', str(n)) for n, each in enumerate(seconds)))


async def test_calls_of_a_turn_run_at_once_so_many_of_them_and_answer_in_order(clock):
    watch = Watch(clock)
    server = Server(clock, dozing(9, 1, 5, 3, 1), completion())
    async with connected(server, clock) as novita:
        run = await novita.chat.completions.run_tools(**ASK, tools=[watch.doze], parallel=2)
    assert told(server) == ["9", "1", "5", "3", "1"]
    assert watch.most == 2
    assert clock.monotonic() == 10
    answers = [message for message in run.messages if message["role"] == "tool"]
    assert [message["tool_call_id"] for message in answers] == ["0", "1", "2", "3", "4"]


async def test_a_cancelled_run_cancels_every_tool_and_waits_for_them(clock):
    watch = Watch(clock)
    async with connected(Server(clock, dozing(60, 60, 60)), clock) as novita:
        run = asyncio.create_task(novita.chat.completions.run_tools(**ASK, tools=[watch.doze]))
        while watch.running < 3:
            await turns(1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert (watch.running, watch.cancelled) == (0, 3)


async def test_a_tool_that_fails_for_good_takes_the_others_with_it(clock):
    watch = Watch(clock)
    server = Server(clock, calling(*dozing(60)["choices"][0]["message"]["tool_calls"], call("broken", "{")))
    async with connected(server, clock) as novita:
        with pytest.raises(ToolError, match="arguments are wrong"):
            await novita.chat.completions.run_tools(**ASK, tools=[watch.doze, broken], on_tool_error="raise")
    assert (watch.running, watch.ended) == (0, 0)


async def test_the_timeout_is_that_of_the_whole_run(clock):
    watch = Watch(clock)
    async with connected(Server(clock, dozing(40)), clock) as novita:
        with pytest.raises(CallTimeout) as caught:
            await novita.chat.completions.run_tools(**ASK, tools=[watch.doze], timeout=100)
    assert (caught.value.limit, caught.value.seconds) == ("total", 100)
    assert (watch.ended, watch.cancelled, watch.running) == (2, 1, 0)
    roles = [message["role"] for message in caught.value.partial]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant"]


async def test_functions_that_are_not_async_run_in_threads_and_are_waited_for(clock):
    gate, begun = threading.Event(), asyncio.Event()
    threads, ended = [], []
    loop = asyncio.get_running_loop()

    def block() -> str:
        threads.append(threading.current_thread())
        loop.call_soon_threadsafe(begun.set)
        gate.wait(10)
        ended.append(True)
        return "through"

    async with connected(Server(clock, calling(call("block"))), clock) as novita:
        run = asyncio.create_task(novita.chat.completions.run_tools(**ASK, tools=[block]))
        await begun.wait()
        run.cancel()
        await turns()
        assert not run.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert ended == [True]
    assert threads[0] is not threading.main_thread()


async def test_a_plain_function_may_give_something_to_be_awaited(clock):
    async def inner(word: str) -> str:
        return word * 2

    def outer(word: str):
        return inner(word)

    server = Server(clock, calling(call("outer", '{"word": "ha"}')), completion())
    async with connected(server, clock) as novita:
        await novita.chat.completions.run_tools(**ASK, tools=[outer])
    assert told(server) == ["haha"]
