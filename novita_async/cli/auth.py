"""`novita-async auth`: the API key of this machine's user, in the profile file (contract/sandbox.md 14)."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from ..config import profile_file
from ..errors import AuthenticationError, ValidationError
from ..runtime.clock import SystemClock
from .account import Account, adder, until_stopped
from .asking import choose, hidden, piped
from .options import Flag, Format  # noqa: TC001 - read from signatures
from .output import first, say, show_one
from .process import CannotGoOn, tell
from .toml import read, save, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cyclopts import App

    from ..client import AsyncNovita
    from .process import Stop

__all__ = ["fill"]

_KEY = "NOVITA_API_KEY"
_SOURCES = "--api-key-env NAME, --api-key-stdin or --api-key KEY"

_FIELDS: dict[str, Callable[[Mapping[str, object]], object]] = {
    "profile": lambda it: it["profile"],
    "key": lambda it: it["key"],
    "key from": lambda it: it["keyFrom"],
    "domain": lambda it: it["domain"],
    "API": lambda it: it["apiUrl"],
    "sandboxes": lambda it: it["sandboxes"],
    "sandboxes at most": lambda it: it["sandboxLimit"],
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)

    @app.command
    def login(
        *,
        api_key_env: str | None = None,
        api_key_stdin: Annotated[Flag, Parameter(name="--api-key-stdin")] = False,
        account: Account = Account(),  # noqa: B008 - it is frozen, and cyclopts wants it so
    ) -> int:
        """Keep an API key in the profile file, once the platform has taken it. A terminal is asked for it.

        Args:
            api_key_env: the environment variable that holds it.
            api_key_stdin: it comes through a pipe.
            account: with the key itself, which other users of this machine can see meanwhile.
        """
        return asyncio.run(until_stopped(_login(account, api_key_env, api_key_stdin), stop))

    add(logout, "logout", key=False)
    add(info, "info")
    add(configure, "configure", key=False)


async def _login(account: Account, variable: str | None, stdin: bool) -> int:
    if (account.api_key is not None) + (variable is not None) + stdin > 1:
        raise ValidationError(f"a key comes from one place: {_SOURCES}")
    if variable is not None:
        key = os.environ.get(variable)
        if not key:
            raise ValidationError(f"there is no environment variable {variable}")
    elif stdin:
        key = (await piped()).strip()
    else:
        key = account.api_key or (await hidden("API key", _SOURCES)).strip()
    await _keep(replace(account, api_key=key))
    return 0


async def logout(novita: AsyncNovita, /) -> None:
    """Take the API key out of the profile file."""
    file, profile, said = await _profile()
    if "api_key" not in said:
        await say(f"there is no key in profile {profile} of {file}", {}, "pretty")
    else:
        await _write(file, profile, None)
        await say(f"the key is gone from profile {profile} of {file}", {}, "pretty")
    if os.environ.get(_KEY):
        tell(f"{_KEY} is set, and is used as before")


async def info(novita: AsyncNovita, /, *, output: Format = "pretty") -> None:
    """Tell which key is used, where it comes from and whether the platform takes it.

    The key itself is not shown.
    """
    file, profile, said = await _profile()
    settings, key = novita.settings, novita.settings.require_key()
    quota = await novita.sandboxes.quota()
    source = _KEY if key == os.environ.get(_KEY) else str(file) if key == said.get("api_key") else "--api-key"
    told = {
        "profile": profile,
        "key": f"...{key[-4:]}" if len(key) >= 12 else "...",
        "keyFrom": source,
        "domain": settings.domain,
        "apiUrl": settings.api_url,
        "sandboxes": quota.usage.sandboxes,
        "sandboxLimit": quota.limit.sandboxes,
    }
    await show_one(told, _FIELDS, output)


async def configure(novita: AsyncNovita, /, *, team: str | None = None) -> None:
    """Choose the team whose API key is kept in the profile file.

    The platform tells a user's teams by the personal access token in NOVITA_ACCESS_TOKEN.

    Args:
        team: its id or name; a terminal is asked when not given.
    """
    teams = list(await novita.sandboxes.teams.list(access_token=os.environ.get("NOVITA_ACCESS_TOKEN")))
    if team is None:
        (place,) = await choose("team", [f"{each.id}  {each.name}" for each in teams], "--team ID")
        chosen = teams[place]
    else:
        found = [each for each in teams if team in (each.id, each.name)]
        if len(found) != 1:
            raise CannotGoOn(f"{team} is the id or name of {len(found)} of your teams")
        chosen = found[0]
    if not chosen.api_key or {*chosen.api_key} & {*".*\u2026"}:
        raise CannotGoOn(f"the platform does not show the API key of {chosen.name}: `auth login` takes one")
    settings = novita.settings
    await _keep(Account(api_key=chosen.api_key, api_url=settings.api_url, domain=settings.domain))


async def _keep(account: Account) -> None:
    """Put a key into the profile file, and take it out again unless the platform takes it."""
    key = account.api_key
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValidationError("that is no API key: it is empty, or has white space or a letter outside ASCII in it")
    file, profile, _ = await _profile()
    # Kept first: a profile that a client is told to use must be there.
    before = await _write(file, profile, key)
    try:
        async with await SystemClock().to_thread(account.client) as novita:
            await first(novita.sandboxes.list(), 1)
    except BaseException as error:
        await SystemClock().to_thread(lambda: _restore(file, before))
        if isinstance(error, AuthenticationError):
            raise CannotGoOn("the platform does not take this key; nothing was kept") from error
        raise
    await say(f"the key is kept in profile {profile} of {file}", {}, "pretty")
    if os.environ.get(_KEY) not in (None, "", key):
        tell(f"{_KEY} is set to another one, which is used as long as it is")


async def _profile() -> tuple[Path, str, dict[str, Any]]:
    """The profile file, the profile, and what it says."""
    file, profile = profile_file(os.environ), os.environ.get("NOVITA_PROFILE") or "default"
    _, tables = await SystemClock().to_thread(lambda: read(file))
    table: Any = tables.get(profile, {})
    return file, profile, cast("dict[str, Any]", table) if isinstance(table, dict) else {}


async def _write(file: Path, profile: str, key: str | None) -> str:
    """Put a key into a profile, or take it out; return the text of the file before that."""

    def work() -> str:
        before, _ = read(file)
        save(file, with_values(file, before, {"api_key": key}, table=profile), private=True)
        return before

    return await SystemClock().to_thread(work)


def _restore(file: Path, text: str) -> None:
    if text:
        save(file, text, private=True)
    else:
        file.unlink(missing_ok=True)
