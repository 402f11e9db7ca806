"""From the parameters of a model to the body that its endpoint wants."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

import msgspec

from ..catalog.check import check, with_defaults
from ..errors import ValidationError
from ..runtime.arguments import given, json_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..catalog import Model
    from ..runtime.call import Runtime

__all__ = ["Body", "build", "lay_out"]


class Body(msgspec.Struct, frozen=True):
    """The body of a submit.

    Attributes:
        content: as it is sent.
        headers: those that go with it.
        note: what the journal writes in its place; None for the content itself.
    """

    content: bytes | AsyncIterable[bytes]
    headers: dict[str, str] = {}
    note: bytes | None = None


async def build(
    runtime: Runtime,
    model: Model,
    params: Mapping[str, Any],
    *,
    validate: bool = True,
    extra_body: Mapping[str, Any] | None = None,
) -> Body:
    """Check the parameters of a model and lay them out.

    Raises:
        ValidationError: everything that is wrong with them, unless `validate` is False.
    """
    params = given(**params)
    problems = check(model, params) if validate else []
    if problems:
        raise ValidationError(*(f"{model.id}: {problem}" for problem in problems))
    body = lay_out(model, with_defaults(model, params))
    return Body(json_body({**body, **extra_body} if extra_body else body))


def lay_out(model: Model, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters where the endpoint wants them. Unknown ones go where most of the others are."""
    if not model.sections:
        return dict(params)
    homes = {name: section for section, names in model.sections.items() for name in names}
    last = next(reversed(model.sections))
    body: dict[str, Any] = {}
    for name, value in params.items():
        section = homes.get(name, "" if name in model.params.properties else last)
        if section:
            body.setdefault(section, {})[name] = value
        else:
            body[name] = value
    return body
