"""Ask many questions at once, a bounded number at a time, and print each answer's beginning.

NOVITA_API_KEY=... python examples/chat_many.py
"""

import asyncio

from novita_async import AsyncNovita

MODEL = "deepseek/deepseek-v3.2"
TOPICS = ["lighthouses", "tides", "sextants", "knots", "fog", "whales", "maps", "anchors"]


async def main() -> None:
    async with AsyncNovita() as novita:
        calls = (
            novita.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": f"One sentence about {topic}."}],
                max_tokens=60,
            )
            for topic in TOPICS
        )
        for topic, answer in zip(TOPICS, await novita.gather(calls, limit=4), strict=True):
            print(f"{topic:>12}: {(answer.choices[0].message.content or '')[:60]}")


asyncio.run(main())
