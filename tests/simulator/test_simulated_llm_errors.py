"""What the simulated LLM endpoints refuse, with which status and in which words."""

from __future__ import annotations

from typing import Any

import openapi
import pytest

from novita_async.simulator import Refuse

BASE = "/openai/v1"
CHAT, COMPLETIONS, EMBEDDINGS = f"{BASE}/chat/completions", f"{BASE}/completions", f"{BASE}/embeddings"
RERANK, RESPONSES, MODELS = f"{BASE}/rerank", f"{BASE}/responses", f"{BASE}/models"
MESSAGES = "/anthropic/v1/messages"

LLAMA, MODEL = "meta-llama/llama-3.1-8b-instruct", "deepseek/deepseek-v3.2"
TURN = [{"role": "user", "content": "hello"}]
#: A good request to every endpoint that takes one.
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": MODEL, "messages": TURN},
    COMPLETIONS: {"model": LLAMA, "prompt": "hello"},
    EMBEDDINGS: {"model": "baai/bge-m3", "input": "hello"},
    RERANK: {"model": "baai/bge-reranker-v2-m3", "query": "hello", "documents": ["a", "b"]},
    RESPONSES: {"model": "openai/gpt-oss-20b", "input": "hello"},
    MESSAGES: {"model": MODEL, "messages": TURN, "max_tokens": 9},
}


async def refused(api: Any, path: str, body: Any, status: int, **headers: Any) -> dict[str, Any]:
    answer = await api("POST", path, body, **headers)
    openapi.check_response("POST", path, answer.status, answer.headers["content-type"], answer.body)
    assert answer.status == status, answer.body
    return answer.json()


@pytest.mark.parametrize("path", GOOD)
async def test_every_endpoint_refuses_what_all_of_them_refuse(api, path):
    inner = path == MESSAGES
    for change, status, reason, kind in (
        ({"key": None}, 403, "INVALID_API_KEY", "authentication_error"),
        ({"key": "sk_wrong"}, 401, "FAILED_TO_AUTH", "authentication_error"),
        ({"body": b"{"}, 400, "INVALID_REQUEST_BODY", "invalid_request_error"),
        ({"body": b'"\xff"'}, 400, "INVALID_REQUEST_BODY", "invalid_request_error"),
        ({"body": b""}, 400, "INVALID_REQUEST_BODY", "invalid_request_error"),
        ({"model": "nobody/nothing"}, 404, "MODEL_NOT_FOUND", "not_found_error"),
        ({"model": "baai/BGE-M3"}, 404, "MODEL_NOT_FOUND", "not_found_error"),
    ):
        options: dict[str, Any] = dict(change)
        body = options.pop("body", {**GOOD[path], "model": options.pop("model", GOOD[path]["model"])})
        error = await refused(api, path, body, status, **options)
        assert (error["error"]["type"] if inner else error["reason"]) == (kind if inner else reason)
        assert inner or error == {"code": status, "reason": reason, "message": error["message"], "metadata": {}}


@pytest.mark.parametrize(
    ("path", "model", "endpoint"),
    [
        (CHAT, "baai/bge-m3", "chat/completions"),
        (COMPLETIONS, "moonshotai/kimi-k2.5", "completions"),
        (EMBEDDINGS, MODEL, "embeddings"),
        (RERANK, "baai/bge-m3", "rerank"),
        (RESPONSES, MODEL, "responses"),
        (MESSAGES, LLAMA, "anthropic"),
    ],
)
async def test_a_model_is_refused_where_it_is_not_served(api, path, model, endpoint):
    error = await refused(api, path, {**GOOD[path], "model": model}, 400)
    message = error["error"]["message"] if path == MESSAGES else error["message"]
    assert message == f"model: {model} does not support endpoint: {endpoint}"


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("limit", ["rpm", "tpm"])
async def test_every_endpoint_keeps_to_the_limits_of_its_model(sim, api, clock, path, limit):
    model = GOOD[path]["model"]
    sim.limit(model, rpm=1, retry_after=True) if limit == "rpm" else sim.limit(model, tpm=110, retry_after=True)
    served = 0
    while (await api("POST", path, GOOD[path])).status == 200:
        served += 1
    assert served == 1 if limit == "rpm" else served >= 1
    error = await refused(api, path, GOOD[path], 429)
    if path == MESSAGES:
        assert error["error"]["type"] == "rate_limit_error"
    else:
        assert error["reason"] == ("RATE_LIMIT_EXCEEDED" if limit == "rpm" else "TOKEN_LIMIT_EXCEEDED")
    await clock.sleep(60)
    assert (await api("POST", path, GOOD[path])).status == 200


async def test_tokens_are_counted_over_the_minute_and_the_wait_is_told(sim, api, clock):
    used = (await api("POST", CHAT, GOOD[CHAT])).json()["usage"]["total_tokens"]
    sim.limit(MODEL, rpm=100, tpm=2 * used, retry_after=True)
    for _ in range(2):
        assert (await api("POST", CHAT, GOOD[CHAT])).status == 200
        await clock.sleep(10)
    answer = await api("POST", CHAT, GOOD[CHAT])
    assert (answer.status, answer.headers["retry-after"]) == (429, "40")
    await clock.sleep(40)
    assert (await api("POST", CHAT, GOOD[CHAT])).status == 200
    sim.limit(MODEL, tpm=used - 1, retry_after=True)
    assert (await api("POST", CHAT, GOOD[CHAT])).headers["retry-after"] == "60"
    sim.limit(MODEL)
    assert (await api("POST", CHAT, GOOD[CHAT])).status == 200


async def test_what_was_refused_is_not_in_the_cache(sim, api, clock):
    long = {**GOOD[CHAT], "messages": [{"role": "user", "content": "The river goes on and on. " * 40}]}
    sim.limit(MODEL, rpm=0)
    assert (await api("POST", CHAT, long)).status == 429
    sim.limit(MODEL)
    for cached in (False, True):
        usage = (await api("POST", CHAT, long)).json()["usage"]
        assert bool(usage["prompt_tokens_details"]["cached_tokens"]) is cached


BAD: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"top_logprobs": 3}, "logprobs"),
    (CHAT, {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
    (CHAT, {"stream_options": {"include_usage": True}}, "stream_options"),
    (CHAT, {"modalities": ["audio"]}, "modalities"),
    (CHAT, {"logit_bias": {"1": 101}}, "logit_bias"),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "file"),
    (COMPLETIONS, {"prompt": None}, "prompt"),
    (COMPLETIONS, {"prompt": []}, "prompt"),
    (COMPLETIONS, {"prompt": ["a", 1]}, "prompt"),
    (COMPLETIONS, {"n": 2, "best_of": 2}, "best_of (2) must be greater than n (2)"),
    (COMPLETIONS, {"best_of": 2, "stream": True}, "best_of cannot be used with stream"),
    (COMPLETIONS, {"logprobs": 6}, "logprobs"),
    (COMPLETIONS, {"max_tokens": 16_384}, "reads at most 16384"),
    (COMPLETIONS, {"max_tokens": 99_999}, "must be between 0 and 16384"),
    (EMBEDDINGS, {"input": ""}, "empty"),
    (EMBEDDINGS, {"input": []}, "empty"),
    (EMBEDDINGS, {"input": ["a", ""]}, "empty"),
    (EMBEDDINGS, {"input": [[1], []]}, "empty"),
    (EMBEDDINGS, {"input": ["a", 1]}, "input"),
    (EMBEDDINGS, {"input": ["a"] * 2049}, "2048 are the most"),
    (EMBEDDINGS, {"input": ["a", " word" * 8193]}, "input[1] has 8193 tokens"),
    (EMBEDDINGS, {"encoding_format": "hex"}, "encoding_format"),
    (RERANK, {"documents": []}, "documents"),
    (RERANK, {"documents": [{"text": "a"}]}, "documents"),
    (RERANK, {"query": None}, "query"),
    (RERANK, {"top_n": 0}, "top_n"),
    (RESPONSES, {"input": []}, "input"),
    (RESPONSES, {"input": [{"role": "tool", "content": "x"}]}, "'tool'"),
    (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "1", "output": "x"}]}, "tool_call_id"),
    (RESPONSES, {"max_output_tokens": 10**6}, "must be between 0"),
]


@pytest.mark.parametrize(("path", "change", "said"), BAD)
async def test_bad_requests_are_refused_by_the_name_of_what_is_wrong(api, path, change, said):
    body = {name: value for name, value in {**GOOD[path], **change}.items() if value is not None}
    error = await refused(api, path, body, 400)
    assert error["reason"] == "INVALID_REQUEST_BODY"
    assert said in error["message"]


@pytest.mark.parametrize(
    "path", ["/openai/responses", "/v3/openai/responses", "/openai/messages", "/anthropic/v1/models"]
)
async def test_what_has_no_older_prefix_is_not_routed(api, path):
    answer = await api("POST", path, {})
    assert (answer.status, answer.body) == (404, b"404 page not found")


@pytest.mark.parametrize("status", [500, 503, 504])
@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_failures_on_request_fit_the_contract(sim, api, path, status):
    sim.fault("POST", path, Refuse.with_status(status))
    await refused(api, path, GOOD[path], status)
