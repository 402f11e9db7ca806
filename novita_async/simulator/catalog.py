"""The LLM models that the simulator serves: ids as the contract has them, with plausible figures."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import msgspec

__all__ = ["MODELS", "Model"]


class _Prices(NamedTuple):
    """In 1/10000 USD per million tokens."""

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue.

    Attributes:
        id: vendor and name.
        title: what the console shows.
        prices: of a token; all 0 for a free model.
        tiers: of a model that is billed by the size of its prompt, the sizes from which other prices hold.
        context: window in tokens.
        output: most tokens of one answer.
        features: what it can do beyond plain text.
        inputs: what may stand in a message beside text.
        speaks: whether it can answer with audio.
        endpoints: the surfaces that serve it.
        thinks: whether it reasons before it answers, unless it is told not to.
        grounds: whether it reads texts off pictures and says where they stand (contract/llm.md 8).
        separates: whether its reasoning stands beside the content when `separate_reasoning` is not given. The reference
            ties that switch to one model, and the guides show the others separated without it (contract/llm.md 6).
        created: Unix seconds.
    """

    id: str
    title: str
    prices: _Prices
    tiers: tuple[tuple[int, _Prices], ...] = ()
    context: int
    output: int
    features: tuple[Literal["function-calling", "structured-outputs", "reasoning"], ...] = ()
    inputs: tuple[Literal["image", "video", "audio"], ...] = ()
    speaks: bool = False
    endpoints: tuple[str, ...]
    thinks: bool = False
    grounds: bool = False
    separates: bool = True
    kind: Literal["chat", "embedding", "rerank"] = "chat"
    created: int = 1757000000

    def wire(self) -> dict[str, Any]:
        """The model as `GET /openai/v1/models` lists it. One with tiers has 0 for its flat prices, as seen live."""
        flat = (0, 0) if self.tiers else self.prices[:2]
        wire: dict[str, Any] = {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": self.id.partition("/")[0],
            "title": self.title,
            "display_name": self.title,
            "description": f"{self.title}, as the simulator plays it: deterministic text, no model behind it.",
            "model_type": self.kind,
            "input_token_price_per_m": flat[0],
            "output_token_price_per_m": flat[1],
            "context_size": self.context,
            "max_output_tokens": self.output,
            "features": list(self.features),
            "endpoints": list(self.endpoints),
            "input_modalities": ["text", *self.inputs],
            "output_modalities": ["text", "audio"] if self.speaks else ["text"],
            "status": 1,
            "tags": [],
            "is_tiered_billing": bool(self.tiers),
        }
        if any(self.prices[:2]):  # free models have no such object
            wire["pricing"] = _buckets(self.prices)
        if self.tiers:
            ends = [start - 1 for start, _ in self.tiers[1:]]
            wire["tiered_billing_configs"] = [
                {"min_tokens": start, "max_tokens": end, "pricing": _buckets(prices)}
                for (start, prices), end in zip(self.tiers, [*ends, None], strict=True)
            ]
        return wire


def _buckets(prices: _Prices) -> dict[str, Any]:
    names = ("prompt", "completion", "input_cache_read", "input_cache_write")
    return {
        name: {"price_per_m": price, "price_per_m_decimal": f"{price / 10000:.4f}".rstrip("0").rstrip(".")}
        for name, price in zip(names, prices, strict=True)
        if price is not None
    }


_TOOLS = ("function-calling", "structured-outputs")
_THINKING = (*_TOOLS, "reasoning")

_PLAIN = ("chat/completions", "completions")
_BATCHED = (*_PLAIN, "batch-api")
_USUAL = ("chat/completions", "completions", "anthropic", "batch-api")
_CHAT = ("chat/completions", "anthropic")
_ALL = (*_USUAL, "responses")

MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        Model(id="deepseek/deepseek-v3.2", title="DeepSeek V3.2", prices=_Prices(2690, 4000, 1345), context=163840,
              output=65536, features=_TOOLS, endpoints=_USUAL, created=1764547200),
        Model(id="deepseek/deepseek-v3.1", title="DeepSeek V3.1", prices=_Prices(2700, 10000, 1350), context=131072,
              output=32768, features=_THINKING, endpoints=_USUAL, thinks=True, created=1755734400),
        Model(id="deepseek/deepseek-r1-turbo", title="DeepSeek R1 Turbo", prices=_Prices(7000, 25000), context=64000,
              output=16000, features=("function-calling", "reasoning"), endpoints=_USUAL, thinks=True, separates=False,
              created=1741132800),
        Model(id="deepseek/deepseek-ocr", title="DeepSeek OCR", prices=_Prices(300, 300), context=8192, output=8192,
              inputs=("image",), grounds=True, endpoints=("chat/completions",), created=1760918400),
        Model(id="minimax/minimax-m2", title="MiniMax M2", prices=_Prices(3000, 12000, 300), context=204800,
              output=131072, features=_THINKING, endpoints=_USUAL, thinks=True, created=1761609600),
        Model(id="minimax/minimax-m2.1", title="MiniMax M2.1", prices=_Prices(3000, 12000, 300, 3750), context=204800,
              output=131072, features=_THINKING, endpoints=_USUAL, thinks=True, created=1766448000),
        Model(id="zai-org/glm-4.5", title="GLM 4.5", prices=_Prices(6000, 22000, 1100), context=131072, output=98304,
              features=_THINKING, endpoints=_USUAL, thinks=True, created=1753660800),
        Model(id="zai-org/glm-4.5v", title="GLM 4.5V", prices=_Prices(6000, 18000, 1100), context=65536, output=16384,
              features=_THINKING, inputs=("image", "video"), endpoints=_CHAT, thinks=True, created=1754956800),
        Model(id="zai-org/glm-4.7", title="GLM 4.7", prices=_Prices(6000, 22000, 1100), context=204800, output=131072,
              features=_THINKING, endpoints=_USUAL, thinks=True, created=1766361600),
        Model(id="moonshotai/kimi-k2-0905", title="Kimi K2 0905", prices=_Prices(6000, 25000), context=262144,
              output=65536, features=_TOOLS, endpoints=_USUAL, created=1757030400),
        Model(id="moonshotai/kimi-k2-thinking", title="Kimi K2 Thinking", prices=_Prices(6000, 25000, 1500),
              context=262144, output=65536, features=_THINKING, endpoints=_USUAL, thinks=True, created=1762473600),
        Model(id="moonshotai/kimi-k2.5", title="Kimi K2.5", prices=_Prices(6000, 30000, 1000), context=262144,
              output=65536, features=_THINKING, inputs=("image", "video"), endpoints=_CHAT, thinks=True,
              created=1769472000),
        Model(id="qwen/qwen3-max", title="Qwen3 Max", prices=_Prices(8400, 33800, 1680),
              tiers=((0, _Prices(8400, 33800, 1680)), (32769, _Prices(14000, 56400, 2800)),
                     (131073, _Prices(21100, 84500, 4220))),
              context=262144, output=65536, features=_TOOLS, endpoints=_CHAT, created=1758672000),
        Model(id="qwen/qwen3-coder-next", title="Qwen3 Coder Next", prices=_Prices(2000, 15000), context=262144,
              output=65536, features=_TOOLS, endpoints=_ALL, created=1770076800),
        Model(id="qwen/qwen3-next-80b-a3b-instruct", title="Qwen3 Next 80B A3B", prices=_Prices(1500, 15000),
              context=131072, output=32768, features=_TOOLS, endpoints=_USUAL, created=1757548800),
        Model(id="qwen/qwen3-vl-8b-instruct", title="Qwen3 VL 8B", prices=_Prices(800, 5000), context=131072,
              output=32768, features=_TOOLS, inputs=("image", "video"), endpoints=_CHAT, created=1760659200),
        Model(id="qwen/qwen3-omni-30b-a3b-instruct", title="Qwen3 Omni 30B A3B", prices=_Prices(2500, 9700),
              context=65536, output=16384, features=_TOOLS, inputs=("image", "video", "audio"), speaks=True,
              endpoints=_CHAT, created=1758499200),
        Model(id="qwen/qwen2.5-7b-instruct", title="Qwen2.5 7B", prices=_Prices(700, 700), context=32000, output=32000,
              features=_TOOLS, endpoints=_BATCHED, created=1726617600),
        Model(id="openai/gpt-oss-20b", title="GPT-OSS 20B", prices=_Prices(400, 1500), context=131072, output=32768,
              features=_THINKING, endpoints=_ALL, thinks=True, created=1754352000),
        Model(id="openai/gpt-oss-120b", title="GPT-OSS 120B", prices=_Prices(500, 2500), context=131072, output=32768,
              features=_THINKING, endpoints=_ALL, thinks=True, created=1754352000),
        Model(id="meta-llama/llama-3.3-70b-instruct", title="Llama 3.3 70B", prices=_Prices(1350, 4000),
              context=131072, output=120000, features=_TOOLS, endpoints=_BATCHED, created=1733529600),
        Model(id="meta-llama/llama-3.2-1b-instruct", title="Llama 3.2 1B", prices=_Prices(0, 0), context=131000,
              output=16000, endpoints=_PLAIN, created=1727222400),
        Model(id="meta-llama/llama-3.1-8b-instruct", title="Llama 3.1 8B", prices=_Prices(200, 500), context=16384,
              output=16384, endpoints=_BATCHED, created=1721692800),
        Model(id="Sao10K/L3-8B-Stheno-v3.2", title="Stheno 8B v3.2", prices=_Prices(500, 500), context=8192,
              output=8192, endpoints=_PLAIN, created=1717200000),
        Model(id="baai/bge-m3", title="BGE M3", prices=_Prices(100, 100), context=8192, output=8192, kind="embedding",
              endpoints=("embeddings",), created=1706659200),
        Model(id="baai/bge-reranker-v2-m3", title="BGE Reranker v2 M3", prices=_Prices(100, 100), context=8000,
              output=8000, kind="rerank", endpoints=("rerank",), created=1710720000),
        Model(id="qwen/qwen3-reranker-8b", title="Qwen3 Reranker 8B", prices=_Prices(500, 500), context=32768,
              output=4096, kind="rerank", endpoints=("rerank",), created=1749081600),
    )
}  # fmt: skip
