"""A listing with prices, and answers that tell their usage: for the tests of usage and budgets."""

from __future__ import annotations

from helpers import DONE, MODEL, Server, chunk, events, json_reply, refusal

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 50,
    "total_tokens": 1050,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 20},
}


def answer(usage=USAGE):
    choice = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": usage}


def chunks(*usages):
    """A stream that tells these usages, one after another, on the chunks that bring them."""
    last = b"".join(
        b"data: " + json_reply({"choices": [], "usage": usage}).body + b"\n\n" for usage in usages if usage is not None
    )
    return lambda _: events(chunk("hel"), chunk("lo", finish="stop"), last + DONE)


def priced(model=MODEL, tiers=(), **dollars):
    """A listing with one model; prices in dollars for a million tokens."""
    pricing = {name: {"price_per_m_decimal": price} for name, price in dollars.items()}
    row = {"id": model, "max_output_tokens": 100, "pricing": pricing}
    if tiers:
        row["is_tiered_billing"] = True
        row["tiered_billing_configs"] = [
            {"min_tokens": start, "pricing": {"prompt": {"price_per_m_decimal": price}}} for start, price in tiers
        ]
    return {"data": [row]}


def with_prices(clock, listing, *answers):
    """A server that also has the listing of models."""
    server = Server(clock, *answers)

    async def handler(request):
        if "/models" not in request.url:
            return await server(request)
        handler.listings += 1
        return json_reply(listing) if request.url.endswith("/models") else refusal(404, "MODEL_NOT_FOUND")

    handler.listings = 0
    handler.server = server
    return handler
