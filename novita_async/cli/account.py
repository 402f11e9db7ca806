"""Commands that talk to the platform: whose account it is, and how a command with a client becomes one of the app's."""

from __future__ import annotations

import asyncio
import inspect
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cyclopts import App, Group, Parameter

from ..errors import ValidationError
from .options import Flag, Span

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ..client import AsyncNovita
    from .process import Stop

__all__ = ["Account", "adder", "group", "hoisted", "until_stopped"]

_GRACE = 6.0  # seconds for taking things back when the user wants to end; killing a command or a sandbox has five
_GROUP = Group("Account", sort_key=9)


@Parameter(name="*", group=_GROUP)
@dataclass(frozen=True)
class Account:
    """What every command takes that talks to the platform."""

    api_key: str | None = field(default=None, repr=False)
    "the key; NOVITA_API_KEY when not given. Other users of this machine can see it while the command runs."
    api_url: str | None = None
    "the sandbox control plane, https unless it says http; NOVITA_API_URL, or https://api.{domain}."
    domain: str | None = None
    "the sandbox domain; NOVITA_DOMAIN."
    request_timeout: Span | None = None
    "seconds for one request, or a time such as 90s or 5m, 0 for any; output and a terminal may take longer."

    def client(self) -> AsyncNovita:
        """A client with these settings.

        Raises:
            ConfigError: a setting cannot work.
        """
        from ..client import AsyncNovita
        from ..config import Timeouts

        url, seconds = self.api_url, self.request_timeout
        return AsyncNovita(
            api_key=self.api_key,
            api_url=f"https://{url}" if url and "://" not in url else url,
            domain=self.domain,
            timeouts=None if seconds is None else Timeouts(attempt=seconds or None),
        )


def group(*names: str, help: str) -> App:
    """A command that has commands of its own."""
    return App(name=names, help=help, default_parameter=Parameter(show_default=_default))


def _default(value: object) -> str | None:
    """What the help says is taken when nothing is given."""
    if value in (None, False, ()):
        return None
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(cast("tuple[str, ...]", value)) if isinstance(value, tuple) else str(value)


def adder(app: App, stop: Stop) -> Callable[..., None]:
    """Gives `add(work, *names, key=True)`, which makes commands of coroutine functions.

    The first parameter of such a function is a client, in place of which the command has the options of `Account`.
    Where it has an `output`, the command has a `--json` too. What it returns is the exit code, None for 0. When the
    user wishes to end it is cancelled. It is not begun without a key, unless `key` is False.
    """

    def add(work: Callable[..., Coroutine[Any, Any, int | None]], *names: str, key: bool = True) -> None:
        def command(*args: Any, account: Account | None = None, json: bool = False, **options: Any) -> int:
            if json and options.setdefault("output", "json") != "json":
                raise ValidationError("--json is --output json: give one of them")
            novita = (account or Account()).client()  # here, as it may read a file
            if key:
                novita.settings.require_key()
            return asyncio.run(_run(novita, lambda: work(novita, *args, **options), stop))

        # cyclopts reads the signature. It is that of `work` with the account in the place of the client.
        hints = typing.get_type_hints(work, localns={"AsyncNovita": object}, include_extras=True)
        _, *own = inspect.signature(work).parameters.values()
        parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
        more: list[tuple[str, object, Any]] = [("account", Account(), Account)]
        if "output" in hints:
            more.insert(0, ("json", False, typing.Annotated[Flag, Parameter(help="the same as --output json.")]))
        for name, default, type_ in more:
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=type_)
            )
        command.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess] - inspect looks for it
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        command.__name__, command.__doc__ = names[0], work.__doc__
        app.command(command, name=names)

    return add


async def _run(novita: AsyncNovita, work: Callable[[], Coroutine[Any, Any, int | None]], stop: Stop) -> int:
    async with novita:
        return await until_stopped(work(), stop)


async def until_stopped(work: Coroutine[Any, Any, int | None], stop: Stop) -> int:
    """Do something and return its exit code, 130 when the user wished to end before; then it is cancelled."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.wanted:
        task.cancel()
        await asyncio.wait({task}, timeout=_GRACE)
        if not task.done() or task.cancelled():
            return 130
    return task.result() or 0


def hoisted(app: App, words: Sequence[str]) -> Sequence[str]:
    """The arguments with the account's options behind the command, where they stand before it.

    Args:
        app: that is to take them.
        words: as given.
    """
    names = {f"--{name.replace('_', '-')}" for name in Account.__dataclass_fields__}
    count = 0
    while count < len(words) and (word := words[count]).partition("=")[0] in names:
        count += 1 if "=" in word else 2
    if count == 0:
        return words
    options, rest = words[:count], words[count:]
    commands, *_ = app.parse_commands(rest)
    if not commands:
        return rest
    return [*rest[: len(commands)], *options, *rest[len(commands) :]]
