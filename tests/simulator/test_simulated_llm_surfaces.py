"""The LLM endpoints beside chat, each request and answer held against the contract."""

from __future__ import annotations

import base64
import math
import struct
from typing import TYPE_CHECKING, Any

import openapi
import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Ask = Callable[..., Awaitable[Any]]

COMPLETIONS, EMBEDDINGS, RERANK = "/openai/v1/completions", "/openai/v1/embeddings", "/openai/v1/rerank"
RESPONSES, MODELS = "/openai/v1/responses", "/openai/v1/models"
LLAMA, BGE, RERANKER, OSS = (
    "meta-llama/llama-3.1-8b-instruct",
    "baai/bge-m3",
    "baai/bge-reranker-v2-m3",
    "openai/gpt-oss-20b",
)


@pytest.fixture
def ask(api) -> Ask:
    """Sends a request that fits the contract, and checks that the answer does too."""

    async def ask(path: str, body: Any, status: int = 200) -> Any:
        answer = await api("POST", path, body)
        openapi.check_request("POST", path, "application/json", api.simulator.requests[-1].body)
        openapi.check_response("POST", path, answer.status, answer.headers["content-type"], answer.body)
        assert answer.status == status, answer.body
        streamed = answer.headers["content-type"] == "text/event-stream"
        return [data for _, data in openapi.events(answer.body)] if streamed else answer.json()

    return ask


@pytest.mark.parametrize("operation", ["createChatCompletion", "createCompletion", "createEmbeddings", "createRerank"])
async def test_the_examples_of_the_contract_are_answered(ask, operation):
    for body in openapi.examples(operation).values():
        await ask(openapi.paths()[operation], body)


# --------------------------------------------------------------------------------------- completions


async def test_a_completion_goes_on_from_the_prompt(ask):
    answer = await ask(COMPLETIONS, {"model": LLAMA, "prompt": "Why do rivers meander?"})
    (choice,) = answer["choices"]
    assert choice["text"].startswith(" ")
    assert "rivers meander" in choice["text"]
    assert (choice["finish_reason"], choice["logprobs"]) == ("stop", None)
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]
    assert (await ask(COMPLETIONS, {"model": LLAMA, "prompt": "Why do rivers meander?"}))["choices"] == [choice]


@pytest.mark.parametrize(
    ("prompt", "count"),
    [("One.", 1), (["One.", "Two.", "Three."], 3), ([5, 6, 7], 1), ([[5, 6, 7], [8]], 2), (["One.", "One."], 2)],
)
async def test_every_prompt_gets_its_choices_in_order(ask, prompt, count):
    answer = await ask(COMPLETIONS, {"model": LLAMA, "prompt": prompt, "n": 2})
    assert [choice["index"] for choice in answer["choices"]] == list(range(2 * count))
    assert answer["choices"][0]["text"] != answer["choices"][1]["text"]
    if prompt == ["One.", "One."]:
        assert [choice["text"] for choice in answer["choices"][:2]] == [c["text"] for c in answer["choices"][2:]]


async def test_a_stream_of_completions_says_the_same_as_the_whole_answer(ask):
    body = {"model": LLAMA, "prompt": ["The sea", "The sky"], "n": 2, "logprobs": 2, "max_tokens": 12, "stop": [" is"]}
    whole = await ask(COMPLETIONS, body)
    for options in ({}, {"stream_options": {"include_usage": True}}):
        events = await ask(COMPLETIONS, {**body, "stream": True, **options})
        *chunks, last = events
        usages = [event.get("usage") for event in chunks]
        assert last["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
        assert (last["choices"] == []) is bool(options)
        assert not any(usages)
        for choice in whole["choices"]:
            parts = [part for event in events for part in event["choices"] if part["index"] == choice["index"]]
            assert "".join(part["text"] for part in parts) == choice["text"]
            assert parts[-1]["finish_reason"] == choice["finish_reason"]
            for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                assert [row for part in parts[:-1] for row in part["logprobs"][name]] == choice["logprobs"][name]


async def test_log_probabilities_of_a_completion_say_where_each_token_stands(ask):
    answer = await ask(COMPLETIONS, {"model": LLAMA, "prompt": "The sea", "logprobs": 3, "max_tokens": 8})
    (choice,) = answer["choices"]
    logprobs = choice["logprobs"]
    names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    for token, number, top, offset in zip(*(logprobs[name] for name in names), strict=True):
        assert choice["text"][offset:].startswith(token)
        assert top[token] == number == max(top.values())
        assert len(top) == 3
    assert (choice["finish_reason"], len(logprobs["tokens"])) == ("length", 8)


async def test_the_best_of_several_completions_are_the_likeliest(ask):
    body = {"model": LLAMA, "prompt": "The sea", "max_tokens": 6, "logprobs": 0}
    many = await ask(COMPLETIONS, {**body, "n": 5})
    best = await ask(COMPLETIONS, {**body, "n": 2, "best_of": 5})

    def score(choice: dict[str, Any]) -> float:
        return sum(choice["logprobs"]["token_logprobs"])

    wanted = sorted(many["choices"], key=score, reverse=True)[:2]
    assert [choice["text"] for choice in best["choices"]] == [choice["text"] for choice in wanted]
    assert best["usage"]["completion_tokens"] == many["usage"]["completion_tokens"] == 30


async def test_a_stop_sequence_stays_in_a_completion(ask):
    whole = (await ask(COMPLETIONS, {"model": LLAMA, "prompt": "The sea"}))["choices"][0]["text"]
    third = whole.split()[2]
    cut = (await ask(COMPLETIONS, {"model": LLAMA, "prompt": "The sea", "stop": third}))["choices"][0]
    assert cut["text"] == whole[: whole.index(third) + len(third)]
    assert cut["finish_reason"] == "stop"


# ------------------------------------------------------------------------------ embeddings and rerank


def likeness(one: list[float], other: list[float]) -> float:
    return sum(left * right for left, right in zip(one, other, strict=True))


async def test_embeddings_are_unit_vectors_and_alike_for_texts_that_are(ask):
    texts = ["the cat sat on the mat", "a cat sits on a mat", "stock prices fell sharply"]
    answer = await ask(EMBEDDINGS, {"model": BGE, "input": texts})
    assert [each["index"] for each in answer["data"]] == [0, 1, 2]
    vectors = [each["embedding"] for each in answer["data"]]
    for vector in vectors:
        assert len(vector) == 1024
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-6)
    assert likeness(vectors[0], vectors[1]) > 0.3 > likeness(vectors[0], vectors[2])
    assert (await ask(EMBEDDINGS, {"model": BGE, "input": texts}))["data"] == answer["data"]


async def test_base64_has_the_same_numbers_in_single_precision(ask):
    body = {"model": BGE, "input": "a lighthouse"}
    floats = (await ask(EMBEDDINGS, {**body, "encoding_format": "float"}))["data"][0]["embedding"]
    encoded = (await ask(EMBEDDINGS, {**body, "encoding_format": "base64"}))["data"][0]["embedding"]
    assert list(struct.unpack("<1024f", base64.b64decode(encoded))) == floats


@pytest.mark.parametrize(
    ("texts", "count", "tokens"),
    [("one two", 1, 2), ([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3), (["a"] * 2048, 2048, 2048)],
)
async def test_every_shape_of_input_is_embedded_and_counted(ask, texts, count, tokens):
    answer = await ask(EMBEDDINGS, {"model": BGE, "input": texts, "encoding_format": "base64"})
    assert len(answer["data"]) == count
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


async def test_documents_are_ranked_by_what_they_share_with_the_query(ask):
    documents = ["The weather in Oslo", "A red apple is a red fruit", "apples and other fruit", ""]
    answer = await ask(RERANK, {"model": RERANKER, "query": "which fruit is red", "documents": documents})
    scores = [result["relevance_score"] for result in answer["results"]]
    assert [result["index"] for result in answer["results"]][:2] == [1, 2]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert all(result["document"]["text"] == documents[result["index"]] for result in answer["results"])
    top = await ask(RERANK, {"model": RERANKER, "query": "which fruit is red", "documents": documents, "top_n": 2})
    assert top["results"] == answer["results"][:2]


# -------------------------------------------------------------------------------------------- models


async def test_the_catalogue_has_one_of_every_kind(api):
    answer = await api("GET", MODELS)
    openapi.check_response("GET", MODELS, 200, answer.headers["content-type"], answer.body)
    models = {model["id"]: model for model in answer.json()["data"]}
    assert "object" not in answer.json()
    assert {model["model_type"] for model in models.values()} == {"chat", "embedding", "rerank"}
    (tiered,) = [model for model in models.values() if model["is_tiered_billing"]]
    starts = [tier["min_tokens"] for tier in tiered["tiered_billing_configs"]]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert tiered["input_token_price_per_m"] == 0
    (free,) = [model for model in models.values() if "pricing" not in model]
    assert (free["input_token_price_per_m"], free["output_token_price_per_m"]) == (0, 0)
    pricing = models["deepseek/deepseek-v3.2"]["pricing"]
    assert pricing["prompt"] == {"price_per_m": 2690, "price_per_m_decimal": "0.269"}
    assert pricing["input_cache_read"]["price_per_m_decimal"] == "0.1345"
    for name in models:
        one = await api("GET", f"{MODELS}/{name}")
        openapi.check_response("GET", f"{MODELS}/{name}", 200, one.headers["content-type"], one.body)
        assert one.json() == models[name]


# ----------------------------------------------------------------------------------------- responses


async def test_a_response_has_what_the_model_says_as_items(ask):
    answer = await ask(RESPONSES, {"model": OSS, "input": "Why is the sky blue?", "instructions": "Be brief."})
    assert [item["type"] for item in answer["output"]] == ["reasoning", "message"]
    assert "the sky blue" in answer["output"][1]["content"][0]["text"]
    assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", OSS)
    assert answer["usage"]["total_tokens"] == answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"]
    cut = await ask(RESPONSES, {"model": OSS, "input": "Why?", "max_output_tokens": 2})
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


async def test_the_events_of_a_response_build_it(ask):
    tool = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {"city": {}}}}
    for body in ({"model": OSS, "input": "Why is the sky blue?"}, {"model": OSS, "input": "clock", "tools": [tool]}):
        whole = await ask(RESPONSES, body)
        events = await ask(RESPONSES, {**body, "stream": True})
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert done == events[-1]["response"]["output"]
        for item, same in zip(done, whole["output"], strict=True):
            assert {**item, "id": ""} == {**same, "id": ""}
            deltas = [
                each["delta"] for each in events if each["type"].endswith("delta") and each["item_id"] == item["id"]
            ]
            assert "".join(deltas) == (item.get("arguments") or item["content"][0]["text"])


async def test_a_function_is_called_and_its_output_taken_up(ask):
    tools = [{"type": "function", "name": "clock"}, {"type": "web_search"}]
    body = {"model": "qwen/qwen3-coder-next", "tools": tools, "input": "What does the clock say?"}
    (call,) = (await ask(RESPONSES, body))["output"]
    assert (call["type"], call["name"]) == ("function_call", "clock")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "a quarter past noon"}
    history = [{"role": "user", "content": [{"type": "input_text", "text": "What does the clock say?"}]}, call, output]
    (message,) = (await ask(RESPONSES, {**body, "input": history}))["output"]
    assert "a quarter past noon" in message["content"][0]["text"]


async def test_structured_output_of_a_response(ask):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    body = {"model": "qwen/qwen3-coder-next", "input": "There are 7 of them.", "text": form}
    assert (await ask(RESPONSES, body))["output"][0]["content"][0]["text"] == '{"n":7}'
