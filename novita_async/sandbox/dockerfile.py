"""Dockerfiles as far as templates go: one stage of FROM, RUN, COPY, ADD, ENV, ARG, WORKDIR, USER, CMD, ENTRYPOINT."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, cast

from ..errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .template import Template

__all__ = ["is_text", "read_into", "written"]

#: What says something about the image and does nothing to its files.
_WITHOUT_EFFECT = frozenset({"EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "STOPSIGNAL", "VOLUME"})
_KNOWN = frozenset({"FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "WORKDIR", "USER", "CMD", "ENTRYPOINT"})
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))")
_START_SECONDS = 20  # what the platform's own client gives a start command that nothing is known of


def is_text(dockerfile: str) -> bool:
    """Whether this is the text of a Dockerfile and not the path of one."""
    begin = dockerfile.lstrip()
    return "\n" in dockerfile or begin[:5].upper() == "FROM " or begin[:4].upper() == "ARG " or begin[:1] == "#"


def read_into(template: Template, text: str, build_args: Mapping[str, str]) -> str:
    """Give a template the steps of a Dockerfile, whose ARGs have these values; return its base image.

    As the platform's own client has it, building begins as root in `/` and ends as `user` in `/home/user`, unless the
    file says otherwise.

    Raises:
        ValidationError: it has several stages, does what a template cannot, or has no ARG of a name that has a value.
    """
    image = ""
    arguments: dict[str, str] = {}
    unused = {*build_args}
    start: dict[str, str] = {}
    exec_forms: dict[str, bool] = {}
    seen: set[str] = set()
    template.set_user("root").set_workdir("/")
    for number, name, value in _instructions(text):
        seen.add(name)
        if name in _WITHOUT_EFFECT:
            continue
        if name not in _KNOWN:
            raise ValidationError(f"Dockerfile line {number}: a template cannot do {name}")
        if not value:
            raise ValidationError(f"Dockerfile line {number}: {name} of nothing")
        if name == "FROM":
            if image:
                raise ValidationError(f"Dockerfile line {number}: a template has one stage, and this is a second FROM")
            image = _substituted(_base(value, number), arguments)
        elif name == "ARG" and not image:
            key, _, default = value.partition("=")
            arguments[key] = build_args.get(key, default.strip("\"'"))
            unused.discard(key)
        elif not image:
            raise ValidationError(f"Dockerfile line {number}: {name} comes before FROM")
        elif name == "RUN":
            _run(template, value, number)
        elif name in ("COPY", "ADD"):
            _copy(template, name, value, number)
        elif name == "ENV":
            template.set_envs(_variables(name, value, number))
        elif name == "ARG":
            defaults = _variables(name, value, number)
            template.set_envs({key: build_args.get(key, default) for key, default in defaults.items()})
            unused -= defaults.keys()
        elif name == "WORKDIR":
            template.set_workdir(value)
        elif name == "USER":
            template.set_user(value)
        else:
            words = _json_words(value)
            exec_forms[name] = words is not None
            start[name] = shlex.join(words) if words is not None else value
    if not image:
        raise ValidationError("a Dockerfile needs a FROM")
    if unused:
        raise ValidationError(f"the Dockerfile has no ARG {', '.join(sorted(unused))}")
    if start:
        # Docker gives CMD to ENTRYPOINT as arguments only where both are lists.
        both = exec_forms.get("ENTRYPOINT") and exec_forms.get("CMD")
        command = f"{start['ENTRYPOINT']} {start['CMD']}" if both else start.get("ENTRYPOINT") or start["CMD"]
        template.set_start_cmd(command, f"sleep {_START_SECONDS}")
    if "USER" not in seen:
        template.set_user("user")
    if "WORKDIR" not in seen:
        template.set_workdir("/home/user")
    return image


def written(image: str, steps: Sequence[tuple[str, Sequence[str]]], start_cmd: str | None) -> str:
    """A Dockerfile that does these steps, each a type and its arguments."""
    lines = [f"FROM {image}"]
    for kind, args in steps:
        if kind == "RUN":
            lines.append("RUN " + args[0].replace("\n", " \\\n"))
        elif kind == "COPY":
            src, dest, user, mode = (*args, "", "")[:4]
            flags = [f"--chown={user}"] * bool(user) + [f"--chmod={mode}"] * bool(mode)
            paths = json.dumps([src, dest]) if any(letter.isspace() for letter in src + dest) else f"{src} {dest}"
            lines.append(" ".join(["COPY", *flags, paths]))
        elif kind == "ENV":
            pairs = zip(args[::2], args[1::2], strict=True)
            lines.append("ENV " + " ".join(f"{name}={_quoted(value)}" for name, value in pairs))
        else:
            lines.append(f"{kind} {' '.join(args)}")
    if start_cmd:
        lines.append(f"ENTRYPOINT {start_cmd}")
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    plain = re.fullmatch(r"[\w./:@%+,=${}-]+", value)
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, name and value of each; lines that go on are joined, comments are gone."""
    begun, number = "", 0
    for here, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue  # also in the middle of an instruction, as Docker has it
        number = number if begun else here
        stripped = line.rstrip()
        if stripped.endswith("\\"):
            begun += stripped[:-1].strip() + " "
            continue
        name, _, value = (begun + line.strip()).partition(" ")
        begun = ""
        yield number, name.upper(), value.strip()
    if begun:
        name, _, value = begun.strip().partition(" ")
        yield number, name.upper(), value.strip()


def _base(value: str, number: int) -> str:
    words = [word for word in value.split() if not word.startswith("--")]
    if len(words) not in (1, 3):
        raise ValidationError(f"Dockerfile line {number}: FROM {value} cannot be read")
    return words[0]


def _substituted(text: str, values: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[3]) or found[2] or ""

    return _VARIABLE.sub(value, text)


def _json_words(value: str) -> list[str] | None:
    if not value.startswith("["):
        return None
    try:
        words: Any = json.loads(value)
    except ValueError:
        return None
    return [str(word) for word in cast("list[Any]", words)] if isinstance(words, list) else None


def _run(template: Template, value: str, number: int) -> None:
    if value.startswith("<<"):
        raise ValidationError(f"Dockerfile line {number}: RUN with a here-document; write it as one command")
    while value.startswith("--"):  # caches and mounts, which templates do not have
        flag, _, value = value.partition(" ")
        if not flag.startswith(("--mount=type=cache", "--network=default", "--security=sandbox")):
            raise ValidationError(f"Dockerfile line {number}: a template cannot do RUN {flag}")
        value = value.strip()
    words = _json_words(value)
    template.run_cmd(shlex.join(words) if words is not None else value)


def _copy(template: Template, name: str, value: str, number: int) -> None:
    user, mode = None, None
    while value.startswith("--"):
        flag, _, value = value.partition(" ")
        value = value.strip()
        key, _, given = flag.partition("=")
        if key == "--chown":
            user = given
        elif key == "--chmod" and re.fullmatch("0?[0-7]{3,4}", given):
            mode = int(given, 8)
        elif key not in ("--link",):
            raise ValidationError(f"Dockerfile line {number}: a template cannot do {name} {flag}")
    try:
        words = _json_words(value) or shlex.split(value)
    except ValueError as error:
        raise ValidationError(f"Dockerfile line {number}: {error}") from None
    if len(words) < 2:
        raise ValidationError(f"Dockerfile line {number}: {name} needs a source and a destination")
    if any("://" in word for word in words[:-1]):
        raise ValidationError(f"Dockerfile line {number}: a template cannot {name} from a URL; fetch it with RUN")
    # An absolute source is one of the build context, as Docker has it.
    sources = [word.lstrip("/") or "." for word in words[:-1]]
    template.copy(sources, words[-1], user=user, mode=mode)


def _variables(name: str, value: str, number: int) -> dict[str, str]:
    if "=" not in value.split(None, 1)[0]:
        key, _, rest = value.partition(" ")
        if not rest and name == "ENV":
            raise ValidationError(f"Dockerfile line {number}: ENV {key} has no value")
        return {key: rest.strip().strip("\"'")}
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValidationError(f"Dockerfile line {number}: {error}") from None
    pairs = [word.partition("=") for word in words]
    if any(not sign and name == "ENV" for _, sign, _ in pairs):
        raise ValidationError(f"Dockerfile line {number}: ENV {value} mixes both of its forms")
    return {key: given for key, _, given in pairs}
