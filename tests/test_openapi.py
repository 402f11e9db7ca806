"""The judge of requests and responses: what it lets through, and what it says of the rest."""

from __future__ import annotations

from typing import Any

import msgspec
import openapi
import pytest

CHAT = "/openai/v1/chat/completions"
JSON, EVENTS = "application/json", "text/event-stream"
CHUNK: dict[str, Any] = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
DONE = b"data: [DONE]\n\n"


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


def event(value: Any, name: str | None = None) -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + encoded(value) + b"\n\n"


def test_every_operation_of_the_contract_has_a_name():
    assert len(openapi.operations()) == 17
    assert {"createChatCompletion", "cancelBatch", "createAnthropicMessage"} < set(openapi.operations())


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", CHAT, "createChatCompletion"),
        ("POST", "/v3/openai/chat/completions", "createChatCompletion"),
        ("post", "https://api.novita.ai/openai/embeddings?x=1", "createEmbeddings"),
        ("GET", "/openai/v1/models/Sao10K/L3-8B-Stheno-v3.2", "retrieveModel"),
        ("GET", "/openai/v1/models/a%2Fb%2Fc", "retrieveModel"),
        ("GET", "/openai/v1/models", "listModels"),
        ("GET", "/openai/v1/files/file_1/content", "retrieveFileContent"),
        ("DELETE", "/openai/v1/files/file_1", "deleteFile"),
        ("POST", "/anthropic/v1/messages", "createAnthropicMessage"),
        ("GET", CHAT, None),
        ("POST", "/openai/responses", None),
        ("POST", "/openai/files", None),
        ("GET", "/v1/models", None),
    ],
)
def test_an_operation_is_found_by_method_and_path(method: str, path: str, operation: str | None):
    assert openapi.operation_of(method, path) == operation


def test_what_fits_passes():
    body = encoded({"model": "m", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1})
    openapi.check_request("POST", CHAT, "application/json; charset=utf-8", body)
    openapi.check_request("POST", "/openai/v1/batches/b/cancel", JSON, b"{}")
    openapi.check_request("POST", "/openai/v1/batches/b/cancel", None, None)
    openapi.check_request("GET", "/openai/v1/models", None, b"")
    openapi.check_request("POST", "/openai/v1/files", "multipart/form-data; boundary=x", b"anything")
    openapi.check_response("POST", CHAT, 200, EVENTS, b": ping\n\n" + event(CHUNK) + DONE)
    openapi.check_response("POST", CHAT, 200, EVENTS, event(CHUNK) + event({"error": {"message": "broken"}}))
    openapi.check_response("POST", CHAT, 429, JSON, encoded({"code": 429, "reason": "X", "message": "slow"}))
    openapi.check_response("GET", "/openai/v1/files/f/content", 200, "application/octet-stream", b"\xff")
    openapi.check_response("GET", "/openai/v1/models/x", 404, "text/plain", b"404 page not found")
    openapi.check_schema("BatchOutputLine", {"custom_id": "1", "error": None})


@pytest.mark.parametrize(
    ("path", "kind", "body", "problem"),
    [
        ("/openai/v1/chat", JSON, b"{}", "no such operation"),
        (CHAT, JSON, b"", "the body is missing"),
        (CHAT, "text/plain", b"{}", "the content type is 'text/plain'"),
        (CHAT, None, b"{}", "the content type is None"),
        (CHAT, JSON, b"{", "no JSON"),
        (CHAT, JSON, encoded({"model": "m"}), "'messages' is a required property"),
        (
            CHAT,
            JSON,
            encoded({"model": "m", "messages": [{"role": "user", "content": "x"}], "n": 200}),
            r"at \$\.n: 200",
        ),
        ("/openai/v1/embeddings", JSON, encoded({"model": "m", "input": ""}), r"at \$\.input"),
        ("/openai/v1/batches/b/cancel", JSON, b'{"a":1}', "it takes no body"),
    ],
)
def test_a_request_that_does_not_fit_is_told_with_its_place(path: str, kind: str | None, body: bytes, problem: str):
    with pytest.raises(AssertionError, match=problem):
        openapi.check_request("POST", path, kind, body)


MESSAGES = "/anthropic/v1/messages"
STOP = event({"type": "message_stop"}, "message_stop")


@pytest.mark.parametrize(
    ("path", "status", "kind", "body", "problem"),
    [
        (CHAT, 302, JSON, b"{}", "the contract knows 200"),
        (CHAT, 200, "text/html", b"", "the content type"),
        (CHAT, 200, JSON, encoded({**CHUNK, "choices": [{"index": "0"}]}), "createChatCompletion 200: at"),
        (CHAT, 400, JSON, encoded({"message": "no code"}), "createChatCompletion 400"),
        (CHAT, 200, EVENTS, event(CHUNK), r"does not end with \[DONE\]"),
        (CHAT, 200, EVENTS, event(CHUNK) + DONE + event(CHUNK), "event 3: it comes after the end"),
        (CHAT, 200, EVENTS, event(CHUNK) + event({"choices": []}) + DONE, "event 2: at"),
        (CHAT, 200, EVENTS, event(CHUNK) + b"data: {\n\n" + DONE, "event 2: no JSON"),
        (CHAT, 200, EVENTS, event(CHUNK) + b"data: [DO", "breaks off inside an event"),
        (MESSAGES, 200, EVENTS, event({"type": "ping"}, "ping"), "does not end with message_stop"),
        (MESSAGES, 200, EVENTS, event({"type": "ping"}, "pong") + STOP, "it is named 'pong'"),
        (MESSAGES, 200, EVENTS, event({"type": "message_start", "message": {}}) + STOP, r"at \$\.message"),
    ],
)
def test_a_response_that_does_not_fit_is_told_with_its_place(
    path: str, status: int, kind: str, body: bytes, problem: str
):
    with pytest.raises(AssertionError, match=problem):
        openapi.check_response("POST", path, status, kind, body)
