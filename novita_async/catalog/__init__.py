"""The contract's data: every image, video, audio and training model of the platform, what it takes and what it gives.

`models.jsonl` is made from `contract/*.openapi.yaml` by `python -m tools.catalog`, a model a line. The SDK checks and
lays out its calls by it, and the simulator serves the same models from it.
"""

from __future__ import annotations

import functools
import pathlib
import threading
from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["Catalog", "Kind", "Media", "Model", "Product", "Rule", "Schema", "Size", "Status", "load"]

_FILE = pathlib.Path(__file__).with_name("models.jsonl")
_LOADING = threading.Lock()

#: The part of the SDK that a model belongs to.
Product: TypeAlias = Literal["images", "videos", "audio", "training"]
#: How a model answers: with its result, with the id of a task, or with bytes as they are made.
Kind: TypeAlias = Literal["sync", "async", "stream"]
#: Whether the platform's index has it: `unlisted` ones left it without a notice and may still answer.
Status: TypeAlias = Literal["current", "unlisted", "retired"]


class Media(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file among the parameters of a model.

    Attributes:
        kind: image, video or audio; image-or-video where its neighbour tells which.
        forms: how it may be sent, the preferred form last: `url`, `data-uri`, `base64` (bare), `asset` (an id of the
            asset host), `bytes` (a part of a form).
        formats: file types that are taken, such as png; empty when the contract names none.
        max_bytes: of the file; 0 for no limit stated.
        max_pixels: width times height; 0 for no limit stated.
        min_side, max_side: pixels; 0 for no limit stated.
        max_ratio: of the longer to the shorter side; 0 for no limit stated.
    """

    kind: str
    forms: tuple[str, ...]
    formats: tuple[str, ...] = ()
    max_bytes: int = 0
    max_pixels: int = 0
    min_side: int = 0
    max_side: int = 0
    max_ratio: float = 0


class Size(msgspec.Struct, frozen=True, omit_defaults=True):
    """A parameter that is width and height in one text.

    Attributes:
        separator: `*` or `x`.
        min_side, max_side: pixels; 0 for no limit stated.
        min_pixels, max_pixels: width times height; 0 for no limit stated.
        max_ratio: of the longer to the shorter side; 0 for no limit stated.
        step: what both sides are multiples of; 0 for anything.
    """

    separator: str
    min_side: int = 0
    max_side: int = 0
    min_pixels: int = 0
    max_pixels: int = 0
    max_ratio: float = 0
    step: int = 0


class Schema(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What a value may be: the part of JSON Schema that the contract uses, and what it adds for files and sizes.

    Attributes:
        open: values beyond `enum` are not wrong: the platform adds some without a notice.
        truncates: a text over `max_length` is cut by the platform, not refused.
        media: it is a file, or a list of files.
        size: it is width and height in one text.
    """

    type: str | tuple[str, ...] = ()
    description: str = ""
    enum: tuple[Any, ...] = ()
    default: Any = msgspec.UNSET
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: float | None = None
    exclusive_maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str = ""
    items: Schema | None = None
    min_items: int | None = None
    max_items: int | None = None
    properties: dict[str, Schema] = {}
    required: tuple[str, ...] = ()
    any_of: tuple[Schema, ...] = ()
    one_of: tuple[Schema, ...] = ()
    open: bool = False
    truncates: bool = False
    media: Media | None = None
    size: Size | None = None


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rule over several parameters. A field is a path such as `voice_setting.voice_id` or `prompts[].frames`.

    Attributes:
        rule: one of
            mutually-exclusive: at most one of `fields`;
            at-least-one: one of `fields` at least;
            requires: `field` only together with all of `fields`;
            required-when: `field` must be there when `when` holds;
            enum-when: `field` is one of `values` when `when` holds;
            only-when, forbidden-when: `field` only, or never, when `when` holds;
            default-when: `value` stands for `field` when `when` holds;
            allowed-pairs: `fields` are one of `pairs`;
            max-sum: the numbers at `field` add up to `value` at most;
            max-count: `value` items at most of the list `field` match `where`;
            ignored-when, media-duration-max-when, note: for people, since nothing can be refused by them.
        when: field to value, or to a list of values. A field that is not given has its default.
    """

    rule: str
    field: str = ""
    fields: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    value: Any = None
    pairs: tuple[tuple[Any, ...], ...] = ()
    when: dict[str, Any] = {}
    where: dict[str, Any] = {}
    text: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model endpoint.

    Attributes:
        id: what `run` and `submit` call it.
        title: for people.
        product: the part of the SDK that it belongs to.
        family: such as kling-v3.0.
        task: what it does, such as t2v, i2i, upscale, speech.
        method, path: under the base URL.
        kind: how it answers.
        status: whether the platform's index has it.
        retired: the date of its announced end, YYYY-MM-DD; "" when there is none.
        replacement: what the notice names in its place; "" when it names nothing.
        params: an object schema of its parameters, all on one level.
        sections: where a body has them deeper: section to the names in it (`request`; `input`, `parameters`). The
            others stand at the body's top.
        rules: over several parameters.
        output: images, videos, audios, text, voice, lora.
        stream: "events" when `stream=True` makes server-sent events of it, "bytes" when its body is the file itself.
        webhook: the contract documents `extra.webhook` for it.
        body: content types of its request, the preferred one first; empty for JSON.
        task_type: the platform's tag of its tasks, where one was seen.
        rate: requests or pictures a minute that are let through by default; 0 when none is published.
        page: the platform's page about it.
    """

    id: str
    title: str
    product: Product
    family: str
    task: str
    method: str = "POST"
    path: str
    kind: Kind
    status: Status
    retired: str = ""
    replacement: str = ""
    params: Schema
    sections: dict[str, tuple[str, ...]] = {}
    rules: tuple[Rule, ...] = ()
    output: str
    stream: str = ""
    webhook: bool = False
    body: tuple[str, ...] = ()
    task_type: str = ""
    rate: int = 0
    page: str = ""

    @property
    def layout(self) -> str:
        """wrapped (`{extra, request}`), sections (`{input, parameters}`), extra (flat, with `extra`), or flat."""
        if "request" in self.sections:
            return "wrapped"
        return "sections" if self.sections else "extra" if "extra" in self.params.properties else "flat"

    def json_schema(self) -> dict[str, Any]:
        """The parameters as plain JSON Schema: what an agent can be given as a tool."""
        schema = msgspec.json.decode(msgspec.json.encode(self.params))
        return {"title": self.id, **_plain(schema), "additionalProperties": False}


Catalog: TypeAlias = dict[str, Model]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without what JSON Schema does not know."""
    kept = {name: value for name, value in schema.items() if name not in ("media", "size", "open", "truncates")}
    if schema.get("open"):
        kept.pop("enum", None)
    if "items" in kept:
        kept["items"] = _plain(kept["items"])
    for name in ("anyOf", "oneOf"):
        if name in kept:
            kept[name] = [_plain(each) for each in kept[name]]
    if "properties" in kept:
        kept["properties"] = {name: _plain(each) for name, each in kept["properties"].items()}
    return kept


def load() -> Catalog:
    """Every model by its id: read once in a process, and the same for all who ask, so not to be written to.

    The first time it blocks for some milliseconds: run it in a thread.
    """
    with _LOADING:  # of many who are first, one reads
        return _load()


@functools.cache
def _load() -> Catalog:
    models = msgspec.json.Decoder(Model).decode_lines(_FILE.read_bytes())
    return {model.id: model for model in models}
