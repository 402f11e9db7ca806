"""`novita-async secret`: values that sandboxes use and never see (contract/sandbox.md 9, 14)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ..errors import ValidationError
from .account import adder
from .asking import hidden, piped
from .options import All, Format, Limit, Many, Page, Yes
from .output import delete_each, paged, say, show, show_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from cyclopts import App

    from ..client import AsyncNovita
    from ..sandbox.secrets import Secret
    from .process import Stop

__all__ = ["fill"]

Hosts = Annotated[Many, Parameter(name="--host", negative="")]
FromStdin = Annotated[bool, Parameter(negative="")]

_COLUMNS: dict[str, Callable[[Secret], object]] = {
    "name": lambda it: it.name,
    "hosts": lambda it: it.hosts,
    "status": lambda it: it.status,
    "updated": lambda it: it.updated_at,
    "description": lambda it: it.description,
}


def fill(app: App, stop: Stop) -> None:
    """Add the commands, which end when `stop` is wanted."""
    add = adder(app, stop)
    add(create, "create")
    add(update, "update")
    add(list_, "list", "ls")
    add(get, "get")
    add(delete, "delete", "rm")


async def create(
    novita: AsyncNovita,
    name: str,
    /,
    *,
    host: Hosts = (),
    from_env: str | None = None,
    from_stdin: FromStdin = False,
    from_value: str | None = None,
    description: str | None = None,
    output: Format = "pretty",
) -> None:
    """Store a secret. Without an option that says where its value comes from, a terminal is asked.

    Args:
        name: what it is called.
        host: a host that it may be sent to; may be given several times.
        from_env: the environment variable that holds it.
        from_stdin: it comes through a pipe; a line end at its end is no part of it.
        from_value: the value. Other users of this machine can see it meanwhile.
        description: what it is for.
    """
    value = await _value(from_env, from_stdin, from_value)
    secret = await novita.sandboxes.secrets.create(name, value, hosts=list(host), description=description)
    await say(f"stored {name}", secret, output)


async def update(
    novita: AsyncNovita,
    name: str,
    /,
    *,
    host: Hosts = (),
    from_env: str | None = None,
    from_stdin: FromStdin = False,
    from_value: str | None = None,
    description: str | None = None,
    output: Format = "pretty",
) -> None:
    """Replace a secret: its value, hosts and description.

    Args:
        name: what it is called.
        host: a host that it may be sent to; may be given several times.
        from_env: the environment variable that holds it.
        from_stdin: it comes through a pipe; a line end at its end is no part of it.
        from_value: the value. Other users of this machine can see it meanwhile.
        description: what it is for.
    """
    value = await _value(from_env, from_stdin, from_value)
    secret = await novita.sandboxes.secrets.update(name, value, hosts=list(host), description=description)
    await say(f"replaced {name}", secret, output)


async def list_(
    novita: AsyncNovita, *, all: All = False, limit: Limit = 20, page: Page = 1, output: Format = "pretty"
) -> None:
    """List the secrets, without their values, which nobody can read.

    Args:
        all: all of them, not one page.
        limit: how many a page has; 0 for all.
        page: which page, from 1.
    """
    secrets = await novita.sandboxes.secrets.list()
    await show(await paged(secrets, limit=limit, page=page, everything=all), _COLUMNS, output)


async def get(novita: AsyncNovita, name: str, /, *, output: Format = "pretty") -> None:
    """Tell what is known of a secret, but for its value.

    Args:
        name: what it is called.
    """
    await show_one(await novita.sandboxes.secrets.get(name), _COLUMNS, output)


async def delete(novita: AsyncNovita, *names: str, yes: Yes = False, output: Format = "pretty") -> int:
    """Delete secrets, after a question.

    Args:
        names: what they are called.
        yes: do not ask.
    """
    return await delete_each("secret", names, novita.sandboxes.secrets.delete, yes=yes, output=output)


async def _value(from_env: str | None, from_stdin: bool, from_value: str | None) -> str:
    """The value, from the one place that was named."""
    named = (from_env is not None) + from_stdin + (from_value is not None)
    if named > 1:
        raise ValidationError("a value comes from one place: --from-env, --from-stdin or --from-value")
    if from_value is not None:
        return from_value
    if from_env is not None:
        value = os.environ.get(from_env)
        if value is None:
            raise ValidationError(f"there is no environment variable {from_env}")
        return value
    return await piped() if from_stdin else await hidden("value", "--from-env, --from-stdin or --from-value")
