"""The media product: every image, video and audio model of the catalog, from the same data that the SDK checks by.

Models answer as their kind has it: with the id of a task that is polled, at once with links or with files in the
answer, or with sound, of which `speech.py` knows more. Fields that a model does not have are ignored. These words in a
prompt or text have a meaning here:

    forbidden      the submit is refused with 400 ILLEGAL_PROMPT
    nsfw           pictures are found not safe for work, where a verdict is asked for or always comes along

and a path of `extra.custom_storage` with `..` in it is refused with 400 INVALID_CUSTOM_OUTPUT_PATH. Nothing is stored
elsewhere, so results have the same links with it as without.

A webhook is called when its task ends, for the models that document `extra.webhook` (`hooks.py`). In test mode a mock
event comes at once, nothing is generated, and `task-result` answers TASK_NOT_FOUND: no page says more about it
(contract/image.md 4).
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ..catalog import load
from . import keys
from .media_inputs import bad, files, read, said
from .media_tasks import Tasks
from .outputs import Outputs
from .router import Call, Router, json_reply
from .speech import Speech
from .works import Piece, describe, works

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model
    from ..runtime.clock import Clock
    from ..transport.protocol import Reply
    from .faults import Outcome
    from .hooks import Hooks
    from .ledger import Ledger
    from .limits import Limits
    from .media_inputs import File
    from .media_tasks import Task

__all__ = ["Media"]

_PREFIXES = ("/v3/async", "/v3", "/v3beta", "/v4beta")
_AT_ONCE_SHARE = 0.2  # of a task's time: what a model takes that answers at once


class Media:
    """The models, their tasks and the files they make.

    Args:
        clock: what tasks grow older by.
        api_key: the good key.
        seed: decides what "any seed" comes to, and the ids.
        task_seconds: how long a task takes. A model that answers at once takes a fifth of it.
        limits: requests per minute, by the last part of a model's path.
        ledger: where what is used is booked.
        hooks: sends the events of webhooks.
        chunk_delay: seconds between two slices of streamed speech.
        retired: refuse the models whose end has come on the clock, as if they had never been.

    Attributes:
        outputs: where the files are fetched.
        submits: how many submits of each model were taken, by its id.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        api_key: str,
        seed: int,
        task_seconds: float,
        limits: Limits,
        ledger: Ledger,
        hooks: Hooks,
        chunk_delay: float = 0.0,
        retired: bool = False,
    ) -> None:
        self._clock = clock
        self._keys = keys.Keys(api_key, keys.MEDIA)
        self._limits = limits
        self._ledger = ledger
        self._hooks = hooks
        self._retired = retired
        self._models: dict[tuple[str, str], Model] = {}
        self.outputs = Outputs(clock=clock, secret=f"{seed} {api_key}")
        self.submits: Counter[str] = Counter()
        self._tasks = Tasks(clock=clock, outputs=self.outputs, seed=seed, task_seconds=task_seconds)
        self._speech = Speech(clock=clock, outputs=self.outputs, seed=seed, chunk_delay=chunk_delay)

    def routes(self, router: Router) -> None:
        router.add("GET", "/v3/async/task-result", self._keys.guard(self._result))
        for prefix in _PREFIXES:
            router.add("POST", f"{prefix}/{{model}}", self._keys.guard(self._submit))
        self.outputs.routes(router)

    # ------------------------------------------------------------------------------------- submits

    async def _submit(self, call: Call) -> Reply:
        model = await self._model(call)
        params = await read(call, model, self._clock)
        self._limits.admit(call.params["model"])
        if model.kind == "async":
            return await self.start(call, model, params)
        self._judge(params)
        found = await files(model, params, self._clock, self.outputs.behind)
        self._book(call, model)
        if model.product == "audio":
            return await self._speech.answer(call, model, params)
        return await self._at_once(call, model, params, found)

    async def _model(self, call: Call) -> Model:
        if not self._models:
            models = await self._clock.to_thread(load)
            self._models = {(model.method, model.path): model for model in models.values()}
        model = self._models.get((call.method, call.path))
        today = datetime.fromtimestamp(self._clock.time(), UTC).date().isoformat()
        if model is None or (self._retired and model.retired and model.retired <= today):
            raise keys.flat(HTTPStatus.NOT_FOUND, "API_NOT_FOUND", f"there is no {call.path}")
        return model

    def _book(self, call: Call, model: Model) -> None:
        """Count a submit in. One that a test wants to fail is not paid for."""
        self.submits[model.id] += 1
        if call.outcome is None or call.outcome.status is None:
            self._ledger.media(model)

    def _judge(self, params: Mapping[str, Any]) -> None:
        if "forbidden" in said(params).lower():
            raise bad("the prompt was found to break the rules", "ILLEGAL_PROMPT")
        extra: Mapping[str, Any] = params.get("extra") or {}
        storage: Mapping[str, Any] = extra.get("custom_storage") or {}
        bucket: Mapping[str, str] = storage.get("aws_s3") or {}
        if ".." in bucket.get("path", "").split("/"):
            raise bad("custom_storage: there is no such path", "INVALID_CUSTOM_OUTPUT_PATH")

    async def start(self, call: Call, model: Model, params: Mapping[str, Any], *, webhook: str | None = None) -> Reply:
        """Start a task and answer with its id.

        Args:
            call: what asked for it; its test may have said how the task shall end.
            model: whose task it is, from the catalog or made up. Its `params` tell which parameters are files.
            params: on one level, already held against the model.
            webhook: where to send the event when the task has ended, beside `extra.webhook`.

        Raises:
            keys.Refusal: the prompt or a file is refused.
        """
        self._judge(params)
        found = await files(model, params, self._clock, self.outputs.behind)
        self._book(call, model)
        extra: Mapping[str, Any] = params.get("extra") or {}
        hook: Mapping[str, Any] = extra.get("webhook") or {}
        mode: Mapping[str, Any] = hook.get("test_mode") or {}
        test: str = mode["return_task_status"] if mode.get("enabled") else ""
        task = self._tasks.start(model, params, found, origin=call.origin, outcome=call.outcome, test=test)
        if call.outcome is None or not call.outcome.status:  # else it never comes to an end that anybody knows
            for url in filter(None, (hook.get("url"), webhook)):
                self._hooks.add(url, partial(self._tasks.result, task), after=task.seconds)
        return json_reply(_accepted(model, params, task))

    async def _at_once(self, call: Call, model: Model, params: Mapping[str, Any], found: list[File]) -> Reply:
        """Answer with what was made: links, or the files themselves."""
        inline = "image_file" in model.params.properties or params.get("response_format") == "b64_json"
        if not inline:
            task = self._tasks.start(
                model, params, found, origin=call.origin, outcome=call.outcome, share=_AT_ONCE_SHARE
            )
            await self._take(task.seconds, call.outcome)
            return json_reply(_linked(model, task, self._tasks))
        await self._take(self._tasks.seconds(call.outcome, _AT_ONCE_SHARE), call.outcome)
        source = self._tasks.source(found)
        if model.output == "text":
            assert source is not None  # the one file that is required
            return json_reply({"prompt": await self._clock.to_thread(partial(describe, source))})
        pieces = works(model, params, found, source, self._tasks.seed(model, params))
        texts = await self._clock.to_thread(partial(_made, pieces))
        if params.get("response_format") == "b64_json":
            return json_reply({"image_urls": [], "binary_data_base64": texts})
        return json_reply({"image_file": texts[0], "image_type": pieces[0].type})

    async def _take(self, seconds: float, outcome: Outcome | None) -> None:
        """Take the time, and fail if a test wants that."""
        await self._clock.sleep(seconds)
        if outcome is not None and outcome.status is not None:
            raise keys.flat(HTTPStatus.INTERNAL_SERVER_ERROR, "TASK_FAILED", outcome.reason or "the task failed")

    # ------------------------------------------------------------------------------------- results

    async def _result(self, call: Call) -> Reply:
        identifier = call.query.get("task_id", "")
        if not identifier:
            raise bad("task_id is missing")
        if (task := self._tasks.find(identifier)) is None:
            raise keys.flat(HTTPStatus.NOT_FOUND, "TASK_NOT_FOUND", "task not found")
        result = self._tasks.result(task)
        if task.inline:
            for image in result["images"]:
                if (data := await self.outputs.behind(image["image_url"])) is not None:
                    image["image_url"] = await self._clock.to_thread(partial(_text, data))
        return json_reply(result)


def _accepted(model: Model, params: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """The answer to the submit of a task. Some models say more than its id (contract/audio, video.md)."""
    answer: dict[str, Any] = {"task_id": task.id}
    if model.id.startswith("minimax-speech-2.8"):
        digest = hashlib.blake2b(task.id.encode(), digest_size=16).hexdigest()
        answer |= {
            "task_token": digest,
            "file_id": int(digest[:13], 16),
            "usage_characters": len(params.get("text") or ""),
            "base_resp": {"status_code": 0, "status_msg": "success"},
        }
    elif model.family in ("heygen", "vidu-q2"):
        answer["provider_request_id"] = f"request-{task.id[:8]}"
    return answer


def _linked(model: Model, task: Task, tasks: Tasks) -> dict[str, Any]:
    links = tasks.links(task)
    if model.id == "flux-1-schnell":
        images = [
            {"image_url": link, "image_url_ttl": task.kind.ttl, "image_type": type_}
            for link, type_ in zip(links, task.types, strict=True)
        ]
        return {"task": {"task_id": task.id}, "images": images}
    if "response_format" in model.params.properties:  # Seedream 3
        return {"image_urls": links, "binary_data_base64": []}
    return {"images": links}


def _made(pieces: list[Piece]) -> list[str]:
    return [_text(piece.make()[0]) for piece in pieces]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
