"""What is asked and what is answered. The stub and the contestants both read it here, so nobody gets an easier one."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["COMPLETION", "KEY", "MESSAGES", "model_name", "plan_of", "stream_events"]

KEY = "sk_benchmark"

MESSAGES: list[dict[str, str]] = [
    {"role": "system", "content": "You are a keeper of lighthouses and answer in short, plain sentences."},
    {"role": "user", "content": "Why does the lamp turn, and how far out can a ship see it on a clear night?"},
]

_TEXT = (
    "The lamp turns so that its beam sweeps the whole horizon and every light has a rhythm of its own. On a clear night"
    " a ship sees it from about twenty nautical miles away."
)

#: The whole answer of a call that is not streamed, about 600 bytes.
COMPLETION = msgspec.json.encode(
    {
        "id": "chatcmpl-4f0c1d7ab2e94c51a6f3",
        "object": "chat.completion",
        "created": 1795000000,
        "model": "deepseek/deepseek-v3.1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _TEXT},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 42,
            "completion_tokens": 38,
            "total_tokens": 80,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "system_fingerprint": "fp_5f20662549",
    }
)


def model_name(chunks: int, gap: float) -> str:
    """The model that makes the stub stream so many chunks, one every `gap` seconds; 0 for as fast as it can."""
    return f"stub/{chunks}-chunks-every-{round(gap * 1e6)}-us"


def plan_of(model: str) -> tuple[int, float]:
    """The chunks and the gap that a model's name asks for."""
    chunks, _, _, gap, _ = model.removeprefix("stub/").split("-")
    return int(chunks), int(gap) / 1e6


def stream_events(chunks: int) -> list[bytes]:
    """The events of one streamed answer, about 260 bytes each: so many chunks, then the end marker."""
    words = [word + " " for word in _TEXT.split()]
    deltas: list[dict[str, Any]] = [{"content": words[number % len(words)]} for number in range(chunks)]
    deltas[0] = {"role": "assistant", "content": ""}
    events = [_chunk(delta, None) for delta in deltas[:-1]]
    events.append(_chunk({"content": ""}, "stop"))
    return [b"data: " + event + b"\n\n" for event in [*events, b"[DONE]"]]


def _chunk(delta: dict[str, Any], finish_reason: str | None) -> bytes:
    return msgspec.json.encode(
        {
            "id": "chatcmpl-4f0c1d7ab2e94c51a6f3",
            "object": "chat.completion.chunk",
            "created": 1795000000,
            "model": "deepseek/deepseek-v3.1",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}],
            "system_fingerprint": "fp_5f20662549",
        }
    )
