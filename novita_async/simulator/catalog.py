"""The LLM models that the simulator serves: real ids of the contract's examples, with plausible figures."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = ["MODELS", "Model"]


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the catalogue.

    Attributes:
        id: vendor and name.
        title: what the console shows.
        prices: input and output, in 1/10000 USD per million tokens.
        context: window in tokens.
        output: most tokens of one answer.
        features: what it can do beyond plain text; "vision" is told through the input modalities instead.
        thinks: whether it reasons before it answers unless `enable_thinking` is false.
        separates: whether its reasoning stands beside the content when `separate_reasoning` is not given. The reference
            ties that switch to one model, and the guides show the others separated without it (contract/llm.md 6).
        created: Unix seconds.
    """

    id: str
    title: str
    prices: tuple[int, int]
    context: int
    output: int
    features: tuple[Literal["function-calling", "structured-outputs", "reasoning", "vision"], ...] = ()
    thinks: bool = False
    separates: bool = True
    kind: Literal["chat", "embedding", "rerank"] = "chat"
    created: int = 1757000000

    def wire(self) -> dict[str, Any]:
        """The model as `GET /openai/v1/models` lists it."""
        chat = self.kind == "chat"
        return {
            "id": self.id,
            "object": "model",
            "created": self.created,
            "owned_by": self.id.partition("/")[0],
            "title": self.title,
            "display_name": self.title,
            "description": f"{self.title}, as the simulator plays it: deterministic text, no model behind it.",
            "model_type": self.kind,
            "input_token_price_per_m": self.prices[0],
            "output_token_price_per_m": self.prices[1],
            "context_size": self.context,
            "max_output_tokens": self.output,
            "features": [feature for feature in self.features if feature != "vision"],
            "endpoints": ["chat/completions", "completions", "anthropic", "batch-api"] if chat else [],
            "input_modalities": ["text", "image"] if "vision" in self.features else ["text"],
            "output_modalities": ["text"],
            "status": 1,
            "tags": [],
            "pricing": {
                name: {"price_per_m": price, "price_per_m_decimal": f"{price / 10000:.4f}".rstrip("0").rstrip(".")}
                for name, price in zip(("prompt", "completion"), self.prices, strict=True)
            },
            "is_tiered_billing": False,
        }


_TOOLS = ("function-calling", "structured-outputs")
_THINKING = (*_TOOLS, "reasoning")

MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        Model(id="deepseek/deepseek-v3.2", title="DeepSeek V3.2", prices=(2690, 4000), context=163840, output=65536,
              features=_TOOLS, created=1764547200),
        Model(id="deepseek/deepseek-v3.1", title="DeepSeek V3.1", prices=(2700, 10000), context=131072, output=32768,
              features=_THINKING, thinks=True, created=1755734400),
        Model(id="deepseek/deepseek-r1-turbo", title="DeepSeek R1 Turbo", prices=(7000, 25000), context=64000,
              output=16000, features=("function-calling", "reasoning"), thinks=True, separates=False,
              created=1741132800),
        Model(id="minimax/minimax-m2", title="MiniMax M2", prices=(3000, 12000), context=204800, output=131072,
              features=_THINKING, thinks=True, created=1761609600),
        Model(id="minimax/minimax-m2.1", title="MiniMax M2.1", prices=(3000, 12000), context=204800, output=131072,
              features=_THINKING, thinks=True, created=1766448000),
        Model(id="zai-org/glm-4.5", title="GLM 4.5", prices=(6000, 22000), context=131072, output=98304,
              features=_THINKING, thinks=True, created=1753660800),
        Model(id="zai-org/glm-4.7", title="GLM 4.7", prices=(6000, 22000), context=204800, output=131072,
              features=_THINKING, thinks=True, created=1766361600),
        Model(id="moonshotai/kimi-k2-0905", title="Kimi K2 0905", prices=(6000, 25000), context=262144, output=65536,
              features=_TOOLS, created=1757030400),
        Model(id="moonshotai/kimi-k2-thinking", title="Kimi K2 Thinking", prices=(6000, 25000), context=262144,
              output=65536, features=_THINKING, thinks=True, created=1762473600),
        Model(id="qwen/qwen3-next-80b-a3b-instruct", title="Qwen3 Next 80B A3B", prices=(1500, 15000), context=131072,
              output=32768, features=_TOOLS, created=1757548800),
        Model(id="qwen/qwen3-vl-8b-instruct", title="Qwen3 VL 8B", prices=(800, 5000), context=131072, output=32768,
              features=(*_TOOLS, "vision"), created=1760659200),
        Model(id="openai/gpt-oss-20b", title="GPT-OSS 20B", prices=(400, 1500), context=131072, output=32768,
              features=_THINKING, thinks=True, created=1754352000),
        Model(id="meta-llama/llama-3.3-70b-instruct", title="Llama 3.3 70B", prices=(1350, 4000), context=131072,
              output=120000, features=_TOOLS, created=1733529600),
        Model(id="meta-llama/llama-3.1-8b-instruct", title="Llama 3.1 8B", prices=(200, 500), context=16384,
              output=16384, created=1721692800),
        Model(id="Sao10K/L3-8B-Stheno-v3.2", title="Stheno 8B v3.2", prices=(500, 500), context=8192, output=8192,
              created=1717200000),
        Model(id="baai/bge-m3", title="BGE M3", prices=(100, 100), context=8192, output=8192, kind="embedding",
              created=1706659200),
    )
}  # fmt: skip
