"""The voices of an account: the platform's own, and those that were cloned or designed."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING, Any

from .transcripts import heard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model
    from ..runtime.clock import Clock

__all__ = ["Voices"]

#: Those that the contract names (audio.openapi.yaml, x-known-values).
_MINIMAX = frozenset(
    {
        *("Wise_Woman", "Friendly_Person", "Inspirational_girl", "Deep_Voice_Man", "Calm_Woman", "Casual_Guy"),
        *("Lively_Girl", "Patient_Man", "Young_Knight", "Determined_Man", "Lovely_Girl", "Decent_Boy"),
        *("Imposing_Manner", "Elegant_Man", "Abbess", "Sweet_Girl_2", "Exuberant_Girl"),
    }
)
_GLM = frozenset({"tongtong", "chuichui", "xiaochen", "jam", "kazi", "douji", "luodo"})

_UNUSED_SECONDS = 168 * 3600.0


class Voices:
    """The voices of one account.

    Args:
        clock: by which a voice made at MiniMax vanishes when nobody uses it for 168 hours.
        seed: part of what decides the ids.
    """

    def __init__(self, *, clock: Clock, seed: int) -> None:
        self._clock = clock
        self._seed = seed
        self._count = 0
        self._used: dict[str, float] = {}  # those made at MiniMax
        self._glm = set(_GLM)

    def new_id(self) -> str:
        """An id that nothing has: 32 hexadecimal digits."""
        self._count += 1
        return hashlib.blake2b(f"{self._seed} audio {self._count}".encode(), digest_size=16).hexdigest()

    def add(self, voice: str = "") -> str:
        """Let MiniMax have a voice; its id, a new one when none is given."""
        voice = voice or f"voice_{self.new_id()[:20]}"
        self._used[voice] = self._clock.monotonic()
        return voice

    def use(self, voice: str, model: Model) -> bool:
        """Say something in a voice of MiniMax: whether there is one of this id.

        The platform has more voices of its own than the contract names. Their ids begin with a language, such as
        `English_Graceful_Lady`, and are all believed.
        """
        if voice in _MINIMAX:
            return True
        now = self._clock.monotonic()
        if voice in self._used:
            if now - self._used[voice] < _UNUSED_SECONDS:
                self._used[voice] = now
                return True
            del self._used[voice]
        languages = model.params.properties["language_boost"].enum
        language, _, name = voice.partition("_")
        return bool(name) and language.partition(" (")[0] in languages

    def at_glm(self, voice: str) -> bool:
        """Whether GLM has a voice of this name."""
        return voice in self._glm

    def add_at_glm(self, voice: str) -> None:
        """Let GLM have a voice."""
        self._glm.add(voice)

    def at_fish(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make a voice at Fish Audio; what it says of it. Samples without a text are listened to."""
        now = datetime.datetime.fromtimestamp(self._clock.time(), datetime.UTC).isoformat()
        files: list[bytes | str] = params["voices"]
        texts: list[str] = params.get("texts") or []
        samples = [
            {
                "title": f"sample {number + 1}",
                "text": texts[number] if number < len(texts) else heard(_bytes(file)),
                "task_id": self.new_id(),
                "audio": "",
            }
            for number, file in enumerate(files)
        ]
        return {
            "_id": self.new_id(),
            "type": params["type"],
            "title": params["title"],
            "description": params.get("description") or "",
            "cover_image": "",
            "train_mode": params["train_mode"],
            "state": "trained",
            "tags": params.get("tags") or [],
            "samples": samples,
            "created_at": now,
            "updated_at": now,
            "languages": ["en"],
            "visibility": params.get("visibility") or "public",
            "lock_visibility": False,
            **dict.fromkeys(("like_count", "mark_count", "shared_count", "task_count"), 0),
            **dict.fromkeys(("unliked", "liked", "marked"), False),
            "author": {"_id": "0" * 32, "nickname": "simulator", "avatar": ""},
        }


def _bytes(file: bytes | str) -> bytes:
    """A file of a form, or the text that stands for one in a JSON body."""
    return file if isinstance(file, bytes) else file.encode()
