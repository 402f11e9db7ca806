"""What the demo does with each product. Every part is what a user of the SDK would write."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import anyio

from ..runtime.clock import uninterrupted
from .process import CannotGoOn

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine
    from pathlib import Path

    from ..client import AsyncNovita
    from ..media.results import MediaResult
    from ..runtime.task import Task
    from .display import Display

__all__ = ["HasId", "Ledger", "Parts", "Work"]


#: One part of the demo: it gives its numbers in words, and the names of the files that it left.
Work: TypeAlias = "Callable[[], Coroutine[Any, Any, tuple[str, list[str]]]]"

_CHAT_MODEL = "meta-llama/llama-3.1-8b-instruct"
_QUESTION = "In about 150 words: why does a lighthouse flash, and how does a ship know which one it sees?"
_SCENE = "a lighthouse on a cliff at dusk, long exposure, calm sea"
_GPU_IMAGE = "nvidia/cuda:12.4.1-base-ubuntu22.04"
_ROUND_TRIPS = 5

# Pi from random points, in plain bash, which every sandbox has.
_PROGRAM = r"""
RANDOM=42 inside=0
for ((n = 1; n <= 8000; n++)); do
  x=$((RANDOM - 16384)) y=$((RANDOM - 16384))
  ((x * x + y * y < 16384 * 16384)) && ((inside++))
  if ((n % 1000 == 0)); then
    pi=$((40000 * inside / n))
    printf '%d points: pi is about %d.%04d\n' $n $((pi / 10000)) $((pi % 10000)) | tee -a pi.txt
    sleep "$PAUSE"
  fi
done
"""


class HasId(Protocol):
    """What can be held: the platform knows it by its id."""

    id: str


Held = TypeVar("Held", bound=HasId)


class Ledger:
    """What exists and costs money, and what is gone again.

    Attributes:
        there: what was made and not ended, by its name.
        gone: the names of what was ended.
    """

    def __init__(self) -> None:
        self.there: dict[str, None] = {}
        self.gone: list[str] = []

    @asynccontextmanager
    async def hold(
        self, kind: str, making: Coroutine[Any, Any, Held], end: Callable[[Held], Coroutine[Any, Any, object]]
    ) -> AsyncGenerator[Held]:
        """Make something and end it on every way out, a cancellation while it is being made or ended among them: an
        order that has left is carried out, whether anybody waits for its answer or not."""
        order = asyncio.ensure_future(making)
        name = f"{kind} that was ordered"
        self.there[name] = None
        try:
            yield await asyncio.shield(order)
        finally:
            try:
                thing = await order
            finally:
                del self.there[name]
            name = f"{kind} {thing.id}"
            self.there[name] = None
            await uninterrupted(self._end(name, end(thing)))

    async def _end(self, name: str, ending: Coroutine[Any, Any, object]) -> None:
        await ending
        del self.there[name]
        self.gone.append(name)


class Parts:
    """The parts, for one run.

    Attributes:
        ledger: what they made that must be ended.
        tasks: what they submitted that cannot be.

    Args:
        novita: the one client.
        display: where they show what they do.
        out: the directory for their files.
        pause: seconds between two lines of the program in the sandbox.
    """

    def __init__(self, novita: AsyncNovita, display: Display, out: Path, *, pause: float) -> None:
        self.ledger = Ledger()
        self.tasks: list[Task[MediaResult]] = []
        self._novita = novita
        self._display = display
        self._out = out
        self._pause = pause

    @property
    def panels(self) -> dict[str, dict[str, Work]]:
        """The parts of each panel of the display, by their names."""
        return {
            "chat": {"chat": self._chat},
            "media": {"flux-1-schnell": self._flux, "txt2img": self._txt2img, "kling-v3.0-std-t2v": self._kling},
            "sandbox": {"sandbox": self._sandbox},
            "gpu": {"GPU instance": self._gpu},
        }

    # ---------------------------------------------------------------------------------------------- chat

    async def _chat(self) -> tuple[str, list[str]]:
        self._display.text("chat", f"> {_QUESTION}\n\n")
        began, first = time.monotonic(), 0.0
        answer = self._novita.chat.completions.stream(
            model=_CHAT_MODEL, messages=[{"role": "user", "content": _QUESTION}], max_tokens=400
        )
        async with answer as stream:
            async for piece in stream.text():
                if not first:
                    first = time.monotonic()
                    self._display.note("chat", f"first token after {first - began:.2f} s")
                self._display.text("chat", piece)
        spent = time.monotonic() - first
        completion = stream.completion
        if not first:
            raise CannotGoOn("the model said nothing")
        tokens = completion.usage.completion_tokens if completion.usage else 0
        numbers = f"first token {first - began:.2f} s, {tokens / spent:.0f} tokens/s"
        self._display.note("chat", numbers)
        return numbers, [await self._write("chat.txt", completion.choices[0].message.content or "")]

    # --------------------------------------------------------------------------------------------- media

    async def _flux(self) -> tuple[str, list[str]]:
        name = "flux-1-schnell"
        self._display.progress("media", name, 0, "asked")
        result = await self._novita.images.run(name, prompt=_SCENE, width=512, height=512, steps=4, seed=7, image_num=1)
        return "no polls, answers at once", await self._save(name, "flux", result)

    async def _txt2img(self) -> tuple[str, list[str]]:
        task = await self._novita.images.submit(
            "txt2img",
            model_name="sd_xl_base_1.0.safetensors",
            prompt=_SCENE,
            width=512,
            height=512,
            image_num=1,
            steps=20,
            guidance_scale=7.5,
            sampler_name="Euler a",
        )
        return await self._follow("txt2img", "txt2img", task)

    async def _kling(self) -> tuple[str, list[str]]:
        name = "kling-v3.0-std-t2v"
        return await self._follow(name, "kling", await self._novita.videos.submit(name, prompt=_SCENE, duration=3))

    async def _follow(self, name: str, stem: str, task: Task[MediaResult]) -> tuple[str, list[str]]:
        self.tasks.append(task)
        self._display.progress("media", name, 0, "submitted")
        async for update in task:
            status = update.status.removeprefix("TASK_STATUS_").lower()
            self._display.progress("media", name, update.progress, status)
        return f"{task.polls} poll{'' if task.polls == 1 else 's'}", await self._save(name, stem, await task.wait())

    async def _save(self, name: str, stem: str, result: MediaResult) -> list[str]:
        output = next(iter(result.outputs), None)
        if output is None:
            raise CannotGoOn("it ended without a file")
        path = await output.save(self._out / f"{stem}.{output.type or 'bin'}")
        self._display.progress("media", name, 100, "saved", done=True)
        return [path.name]

    # ------------------------------------------------------------------------------------------- sandbox

    async def _sandbox(self) -> tuple[str, list[str]]:
        def show(piece: str) -> None:
            self._display.text("sandbox", piece)

        making = self._novita.sandboxes.create(lifetime=120)
        async with self.ledger.hold("sandbox", making, lambda it: it.aclose()) as sandbox:
            show("$ bash pi.sh\n")
            await sandbox.files.write("pi.sh", _PROGRAM)
            await sandbox.commands.run("bash pi.sh", envs={"PAUSE": f"{self._pause:.3f}"}, on_stdout=show)
            result = await sandbox.files.read("pi.txt")
            show(f"pi.txt read back: {len(result)} characters\n")
            trips: list[float] = []
            for _ in range(_ROUND_TRIPS):
                began = time.monotonic()
                await sandbox.commands.run("true")
                trips.append(time.monotonic() - began)
        numbers = f"command round trip {1000 * statistics.median(trips):.0f} ms"
        self._display.note("sandbox", numbers)
        return numbers, [await self._write("pi.txt", result)]

    # ----------------------------------------------------------------------------------------------- GPU

    async def _gpu(self) -> tuple[str, list[str]]:
        def show(line: str) -> None:
            self._display.text("gpu", f"{line}\n")

        gpu = self._novita.gpu
        offers = [(offer.price, offer) for offer in await gpu.products.list() if offer.available and offer.price]
        if not offers:
            raise CannotGoOn("no GPU is to be had at the moment")
        price, product = min(offers, key=lambda offer: offer[0])
        show(f"{product.name} at ${price} an hour")
        began = time.monotonic()
        making = gpu.instances.create(product.id, image=_GPU_IMAGE, name="novita-async-demo", command="sleep 1800")
        async with self.ledger.hold("GPU instance", making, lambda it: it.delete()) as instance:
            show(f"ordered {instance.id}")
            running = await instance.wait_until("running", timeout=900)
            spent = time.monotonic() - began
            show(f"running in {running.cluster_name}")
            self._display.note("gpu", f"running after {spent:.1f} s")
        show("deleted")
        await instance.wait_until("removed", timeout=120)
        show("removed: nothing costs any more")
        return f"running after {spent:.1f} s", []

    async def _write(self, name: str, text: str) -> str:
        await anyio.Path(self._out / name).write_text(text, "utf-8")
        return name
