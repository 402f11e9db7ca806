"""Submit a video with a journal, and find it again when this is started once more after a crash or a Ctrl-C.

NOVITA_API_KEY=... python examples/media_resume.py
"""

import asyncio

from novita_async import AsyncNovita
from novita_async.runtime.tasks import UnknownSubmit


async def main() -> None:
    async with AsyncNovita(journal="videos.sqlite") as novita:
        tasks = []
        for found in await novita.tasks.resume():
            if isinstance(found, UnknownSubmit):
                print("may have been sent, look for it before you repeat it:", found.request)
            else:
                print("found again:", found.id)
                tasks.append(found)
        if not tasks:
            tasks.append(await novita.videos.submit("kling-v3.0-std-t2v", prompt="a boat in fog", duration=3))
            print("submitted:", tasks[0].id)
        async for task in novita.tasks.as_completed(tasks):
            result = await task.wait()
            print("saved:", *await result.save("videos"))


asyncio.run(main())
