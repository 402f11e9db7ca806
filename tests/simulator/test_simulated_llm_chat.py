"""The finer points of the simulated chat: log probabilities, pictures and sound, reasoning, several calls at once."""

from __future__ import annotations

import base64
import io
import math
import re
import wave
from typing import Any

import openapi
import pytest

CHAT = "/openai/v1/chat/completions"
EYES, EARS, BLIND = "qwen/qwen3-vl-8b-instruct", "qwen/qwen3-omni-30b-a3b-instruct", "deepseek/deepseek-v3.2"
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def image(url: str = PIXEL, **options: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **options}}


def video(url: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}}


def audio(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


async def chat(api: Any, content: Any = "Why is the sky blue?", status: int = 200, **options: Any) -> Any:
    """The answer to a request; both are held against the contract."""
    if isinstance(content, list) and "role" not in content[0]:
        content = [{"role": "user", "content": content}]
    answer = await api.chat(content, **options)
    received = api.simulator.requests[-1]
    openapi.check_request("POST", CHAT, "application/json", received.body)
    openapi.check_response("POST", CHAT, answer.status, answer.headers["content-type"], answer.body)
    assert answer.status == status
    return answer.events() if options.get("stream") else answer.json()


# ------------------------------------------------------------------------------------------ logprobs


async def test_log_probabilities_fit_the_text_and_add_up(api):
    plain = (await chat(api))["choices"][0]
    assert plain["logprobs"] is None
    choice = (await chat(api, logprobs=True, top_logprobs=5))["choices"][0]
    assert choice["message"] == plain["message"]
    rows = choice["logprobs"]["content"]
    assert "".join(row["token"] for row in rows) == choice["message"]["content"]
    for row in rows:
        likely = row["top_logprobs"]
        assert len({each["token"] for each in likely}) == 5
        assert (likely[0]["token"], likely[0]["logprob"]) == (row["token"], row["logprob"])
        assert [each["logprob"] for each in likely] == sorted((each["logprob"] for each in likely), reverse=True)
        assert sum(math.exp(each["logprob"]) for each in likely) <= 1
        assert bytes(row["bytes"]).decode() == row["token"]


async def test_a_stream_has_the_log_probabilities_of_the_whole_answer(api):
    options = {"logprobs": True, "top_logprobs": 2, "n": 2, "max_tokens": 9}
    whole = await chat(api, **options)
    events = await chat(api, **options, stream=True)
    for choice in whole["choices"]:
        parts = [part for event in events for part in event["choices"] if part["index"] == choice["index"]]
        rows = [row for part in parts if part.get("logprobs") for row in part["logprobs"]["content"]]
        assert rows == choice["logprobs"]["content"]


async def test_how_many_others_are_asked_for_does_not_change_the_numbers(api):
    none, some, most = [
        (await chat(api, logprobs=True, **options))["choices"][0]["logprobs"]["content"]
        for options in ({}, {"top_logprobs": 3}, {"top_logprobs": 20})
    ]
    assert [row["logprob"] for row in none] == [row["logprob"] for row in some] == [row["logprob"] for row in most]
    assert none[0]["top_logprobs"] == []
    assert most[0]["top_logprobs"][:3] == some[0]["top_logprobs"]
    assert len(most[0]["top_logprobs"]) == 20


async def test_a_call_of_a_tool_has_no_log_probabilities(api):
    tools = [{"type": "function", "function": {"name": "clock"}}]
    choice = (await chat(api, tools=tools, tool_choice="required", logprobs=True))["choices"][0]
    assert choice["logprobs"] == {"content": []}


# ------------------------------------------------------------------------- pictures, videos and sound


async def test_pictures_count_as_tokens_of_the_prompt_and_finer_ones_for_more(api):
    usages = [
        (await chat(api, [text("What is this?"), *parts], model=EYES))["usage"]
        for parts in ([], [image(detail="low")], [image()], [image(detail="high")], [image(), image()])
    ]
    counts = [usage["prompt_tokens_details"]["image_tokens"] for usage in usages]
    assert 0 == counts[0] < counts[1] < counts[2] < counts[3]
    assert counts[4] == 2 * counts[2]
    for usage, count in zip(usages, counts, strict=True):
        assert usage["prompt_tokens"] == usages[0]["prompt_tokens"] + count
        assert usage["prompt_tokens_details"]["text_tokens"] == usages[0]["prompt_tokens"]


async def test_videos_and_sound_count_too(api):
    parts = [video("https://example.org/a.mp4"), audio(base64.b64encode(b"RIFF").decode()), audio("https://a.b/c.wav")]
    details = (await chat(api, [text("What is this?"), *parts], model=EARS))["usage"]["prompt_tokens_details"]
    assert details["image_tokens"] > 0
    assert details["audio_tokens"] == 512


@pytest.mark.parametrize(
    ("model", "part", "said"),
    [
        (BLIND, image(), "model features vision not support"),
        (BLIND, video("https://example.org/a.mp4"), "model features video not support"),
        (EYES, audio("https://example.org/a.wav"), "model features audio not support"),
        (EYES, image("a.png"), "image_url.url is neither"),
        (EYES, image("data:text/plain;base64,AAAA"), "image_url.url is neither"),
        (EYES, image("data:image/png;base64,%%%"), "image_url.url is neither"),
        (EYES, image("data:image/png;base64,"), "image_url.url is neither"),
        (EYES, video("file:///a.mp4"), "video_url.url is neither"),
        (EARS, audio("not base64"), "input_audio.data is neither"),
    ],
)
async def test_a_part_that_a_model_cannot_read_is_refused(api, model, part, said):
    answer = await chat(api, [part], 400, model=model)
    assert answer["reason"] == "INVALID_REQUEST_BODY"
    assert said in answer["message"]


async def test_a_model_that_speaks_answers_with_sound(api):
    options = {"model": EARS, "modalities": ["text", "audio"]}
    message = (await chat(api, **options))["choices"][0]["message"]
    assert message["audio"]["transcript"] == message["content"]
    with wave.open(io.BytesIO(base64.b64decode(message["audio"]["data"]))) as sound:
        assert sound.getnframes() > 0
    events = await chat(api, **options, stream=True)
    spoken = [part["delta"]["audio"] for event in events for part in event["choices"] if "audio" in part["delta"]]
    assert spoken == [message["audio"]]
    assert "not support" in (await chat(api, status=400, modalities=["text", "audio"]))["message"]


async def test_a_model_that_reads_pictures_says_where_the_text_stands(api):
    parts = [image(), text("<|grounding|>OCR this image.")]
    message = (await chat(api, parts, model="deepseek/deepseek-ocr"))["choices"][0]["message"]
    box = r"<\|ref\|>text<\|/ref\|><\|det\|>\[\[(\d+), (\d+), (\d+), (\d+)\]\]<\|/det\|>\n.+"
    found = re.findall(box, message["content"])
    assert len(found) >= 2
    assert all(int(left) < int(right) and int(top) < int(bottom) for left, top, right, bottom in found)
    plain = (await chat(api, [image(), text("Free OCR.")], model="deepseek/deepseek-ocr"))["choices"][0]["message"]
    assert "<|det|>" not in plain["content"]


# --------------------------------------------------------------------------------- reasoning and tools


@pytest.mark.parametrize(
    ("options", "thinks"),
    [
        ({}, True),
        ({"enable_thinking": True}, True),
        ({"thinking": {"type": "enabled"}}, True),
        ({"reasoning_effort": "low"}, True),
        ({"enable_thinking": False}, False),
        ({"thinking": {"type": "disabled"}}, False),
        ({"reasoning_effort": "none"}, False),
    ],
)
async def test_every_switch_of_reasoning_is_heeded_and_the_answer_stays(api, options, thinks):
    usual = (await chat(api, model="zai-org/glm-4.5"))["choices"][0]["message"]
    message = (await chat(api, model="zai-org/glm-4.5", **options))["choices"][0]["message"]
    assert bool(message.get("reasoning_content")) is thinks
    assert message["content"] == usual["content"]


async def test_more_effort_takes_more_tokens(api):
    counts = [
        (await chat(api, model="zai-org/glm-4.5", reasoning_effort=effort))["usage"]["completion_tokens_details"]
        for effort in ("low", "medium", "high")
    ]
    assert counts[0]["reasoning_tokens"] < counts[1]["reasoning_tokens"] < counts[2]["reasoning_tokens"]


async def test_reasoning_details_repeat_the_reasoning_when_asked_for(api):
    message = (await chat(api, model="minimax/minimax-m2", reasoning_split=True))["choices"][0]["message"]
    assert message["reasoning_details"] == [
        {
            "type": "reasoning.text",
            "text": message["reasoning_content"],
            "id": "reasoning-text-1",
            "format": "openai-responses-v1",
            "index": 0,
        }
    ]


async def test_several_tools_are_called_at_once_unless_that_is_not_wanted(api):
    tools = [{"type": "function", "function": {"name": name}} for name in ("clock", "calendar", "compass")]
    prompt = "Ask the clock, and the calendar."
    choice = (await chat(api, prompt, tools=tools))["choices"][0]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["clock", "calendar"]
    assert len({call["id"] for call in choice["message"]["tool_calls"]}) == 2
    choice = (await chat(api, prompt, tools=tools, parallel_tool_calls=False))["choices"][0]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["clock"]


@pytest.mark.parametrize(
    ("name", "prompt", "called"),
    [
        ("get_weather", "How is the weather in Oslo?", True),
        ("get_weather", "Tell me whether it is Oslo.", False),
        ("getStockPrice", "The price of this stock, please.", True),
        ("getStockPrice", "The price, please.", False),
        ("search", "Please search for it.", True),
        ("search", "Hello!", False),
    ],
)
async def test_a_prompt_names_a_tool_by_the_words_of_its_name(api, name, prompt, called):
    choice = (await chat(api, prompt, tools=[{"type": "function", "function": {"name": name}}]))["choices"][0]
    assert bool(choice["message"].get("tool_calls")) is called


async def test_a_tool_whose_schema_cannot_be_met_is_called_without_arguments_unless_it_is_strict(api):
    function = {"name": "clock", "parameters": {"type": "object", "properties": {"a": {"type": "odd"}}}}
    tools = [
        {"type": "function", "function": {**function, "parameters": {**function["parameters"], "required": ["a"]}}}
    ]
    choice = (await chat(api, tools=tools, tool_choice="required"))["choices"][0]
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "{}"
    tools[0]["function"]["strict"] = True
    assert "'odd'" in (await chat(api, status=400, tools=tools, tool_choice="required"))["message"]
