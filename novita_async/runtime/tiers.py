"""What the platform lets an account of each tier send (contract/llm.openapi.yaml, x-rate-limits; February 2026)."""

from __future__ import annotations

__all__ = ["RPM", "TPM", "USUAL_RPM"]

#: Tokens a minute, of every model in every tier.
TPM = 50_000_000

#: Requests a minute in T1 to T5, of every model that is not in `RPM`.
USUAL_RPM = (30, 100, 1000, 3000, 6000)

#: Requests a minute in T1 to T5.
RPM = {
    "deepseek/deepseek-v3.2": (30, 100, 300, 500, 3000),
    "minimax/minimax-m2.1": (30, 100, 1000, 3000, 5000),
    "zai-org/glm-4.7": (30, 100, 1000, 3000, 5000),
    "zai-org/autoglm-phone-9b-multilingual": (30, 100, 1000, 2000, 3000),
    "moonshotai/kimi-k2-thinking": (30, 100, 1000, 500, 1000),
    "minimax/minimax-m2": (30, 100, 1000, 3000, 5000),
    "deepseek/deepseek-v3.2-exp": (30, 100, 1000, 2000, 3000),
    "zai-org/glm-4.6": (30, 100, 1000, 2000, 5000),
    "qwen/qwen3-next-80b-a3b-instruct": (30, 100, 1000, 2000, 3000),
    "qwen/qwen3-next-80b-a3b-thinking": (30, 100, 1000, 2000, 3000),
    "deepseek/deepseek-ocr": (30, 30, 100, 3000, 1000),
    "qwen/qwen3-max": (30, 100, 1000, 500, 1000),
    "moonshotai/kimi-k2-0905": (30, 100, 1000, 1000, 5000),
    "qwen/qwen3-coder-480b-a35b-instruct": (30, 100, 1000, 2000, 6000),
    "qwen/qwen3-coder-30b-a3b-instruct": (30, 100, 1000, 1000, 3000),
    "meta-llama/llama-3.1-8b-instruct": (50, 100, 1000, 3000, 6000),
    "zai-org/glm-4.5v": (30, 100, 1000, 2000, 3000),
    "openai/gpt-oss-20b": (30, 100, 1000, 2000, 5000),
    "deepseek/deepseek-r1-distill-qwen-14b": (50, 100, 1000, 3000, 6000),
    "qwen/qwen-2.5-72b-instruct": (30, 50, 1000, 3000, 6000),
    "mistralai/mistral-nemo": (50, 100, 1000, 3000, 6000),
    "meta-llama/llama-3-8b-instruct": (50, 100, 1000, 3000, 6000),
    "meta-llama/llama-4-maverick-17b-128e-instruct-fp8": (30, 100, 200, 300, 500),
    "meta-llama/llama-4-scout-17b-16e-instruct": (50, 100, 1000, 3000, 6000),
    "nousresearch/hermes-2-pro-llama-3-8b": (50, 100, 1000, 3000, 6000),
    "sao10k/l3-8b-lunaris": (50, 100, 1000, 3000, 6000),
    "Sao10K/L3-8B-Stheno-v3.2": (50, 100, 1000, 3000, 6000),
    "gryphe/mythomax-l2-13b": (50, 100, 1000, 3000, 6000),
    "zai-org/glm-4.5-air": (30, 100, 1000, 500, 1000),
    "qwen/qwen-mt-plus": (30, 100, 1000, 2000, 5000),
    "qwen/qwen3-8b-fp8": (50, 100, 1000, 3000, 6000),
    "qwen/qwen3-4b-fp8": (30, 100, 1000, 3000, 5000),
    "qwen/qwen2.5-7b-instruct": (30, 100, 1000, 3000, 5000),
    "meta-llama/llama-3.2-3b-instruct": (50, 100, 1000, 3000, 6000),
}
