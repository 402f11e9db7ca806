"""Templates: registered, uploaded to, built, named, tagged and shared (contract/sandbox.md 11; sandbox.openapi.yaml).

A template keeps a tree for each build that is ready. Layers are not cached: every build does all its steps.
"""

from __future__ import annotations

import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any

from ...transport.protocol import Reply
from ..router import json_reply
from .bodies import number, page_of, read, refusal, stamp
from .builds import Build, Builds
from .images import BASES, Image
from .life import DISK_MB, ENVD_VERSION
from .recipe import AssignTags, DeleteTags, Dockerfile, Recipe, Register, RegisterV2, Visibility

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..router import Call, Endpoint, Router
    from .control import Sandboxes

__all__ = ["Template", "Templates"]

_HASH = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_DEFAULT_TAG = "default"
_PAGE = 20
_LOGS = 100
_LEVELS = ("debug", "info", "warn", "error")


class Template:
    """A template with its builds, the newest last.

    Attributes:
        tags: the build of each tag, and since when.
        spawned: sandboxes made of it, and when the last one was.
    """

    def __init__(self, name: str, *, serial: int, now: float) -> None:
        self.id = secrets.token_hex(10)
        self.name = name
        self.serial = serial
        self.public = False
        self.created = self.updated = now
        self.builds: list[Build] = []
        self.tags: dict[str, tuple[Build, float]] = {}
        self.spawned: tuple[int, float | None] = (0, None)

    @property
    def names(self) -> list[str]:
        return [self.name] if self.name else []

    @property
    def newest(self) -> Build:
        return self.builds[-1]

    def ready(self, tag: str = "") -> Build | None:
        """The build of a tag; of none the default tag's, or else the newest that is ready."""
        tagged = self.tags.get(tag or _DEFAULT_TAG)
        if tagged is not None or tag:
            return tagged[0] if tagged else None
        return next((build for build in reversed(self.builds) if build.status == "ready"), None)


class Templates:
    """The account's templates. `sandboxes` is what builds them and makes sandboxes of them."""

    def __init__(self, sandboxes: Sandboxes) -> None:
        self._sandboxes = sandboxes
        self._clock = sandboxes.clock
        self._templates: dict[str, Template] = {}
        self._builds = Builds(sandboxes, find=self._image)
        self._links: dict[str, str] = {}
        self._serial = 0

    def routes(self, add: Callable[[str, str, Endpoint], None], router: Router) -> None:
        """Add what needs the key by `add`, and to the router where archives are put: its link is its key."""
        router.add("PUT", "/template-files/{hash}", self._put)
        for method, path, endpoint in (
            ("POST", "/v3/templates", self._register),
            ("POST", "/v2/templates", self._register_v2),
            ("GET", "/v2/templates", self._page),
            ("POST", "/templates", self._register_v1),
            ("GET", "/templates", self._list),
            ("POST", "/templates/tags", self._assign),
            ("DELETE", "/templates/tags", self._unassign),
            ("GET", "/templates/aliases/{name:path}", self._alias),
            ("GET", "/templates/{id}/files/{hash}", self._link),
            ("GET", "/templates/{id}/tags", self._tags),
            ("POST", "/v2/templates/{id}/builds/{build}", self._start),
            ("POST", "/templates/{id}/builds/{build}", self._start_v1),
            ("GET", "/templates/{id}/builds/{build}/status", self._status),
            ("GET", "/templates/{id}/builds/{build}/logs", self._logs),
            ("PATCH", "/v2/templates/{id}", self._update),
            ("PATCH", "/templates/{id}", self._update),
            ("POST", "/templates/{id}", self._register_v1),
            ("GET", "/templates/{id}", self._get),
            ("DELETE", "/templates/{id}", self._delete),
        ):
            add(method, path, endpoint)

    def find(self, name: str) -> Image | None:
        """What create makes a sandbox of: a template's id or name, with or without `:tag`."""
        found = self._named(name)
        if found is not None:
            template = found[0]
            template.spawned = (template.spawned[0] + 1, self._clock.time())
        return self._image(name)

    async def aclose(self) -> None:
        """End every build and delete every file. Safe to call twice."""
        await self._builds.aclose([build for each in self._templates.values() for build in each.builds])
        self._templates.clear()

    def _image(self, name: str) -> Image | None:
        found = self._named(name)
        build = found and found[0].ready(found[1])
        return build.image if build else None

    def _named(self, name: str) -> tuple[Template, str] | None:
        """A template and the tag that was asked for."""
        plain, _, tag = name.partition(":")
        for template in self._templates.values():
            if plain and plain in (template.id, template.name):
                return template, tag
        return None

    def _at(self, call: Call) -> Template:
        found = self._named(call.params["id"])
        if found is None:
            raise refusal(404, f"template '{call.params['id']}' not found")
        return found[0]

    def _build(self, call: Call) -> tuple[Template, Build]:
        template = self._at(call)
        for build in template.builds:
            if build.id == call.params["build"]:
                return template, build
        raise refusal(404, f"build '{call.params['build']}' of template '{template.id}' not found")

    # Registering.

    async def _register(self, call: Call) -> Reply:
        wanted = await read(call, Register)
        name, _, tag = (wanted.name or wanted.alias).partition(":")
        if not _NAME.fullmatch(name):
            raise refusal(400, f"invalid template name {name!r}")
        tags = list(dict.fromkeys(filter(None, [tag, *wanted.tags]))) or [_DEFAULT_TAG]
        template, build = self._new(name, tags, wanted.cpuCount, wanted.memoryMB)
        told = {"templateID": template.id, "buildID": build.id, "public": template.public, "tags": tags}
        return json_reply({**told, "names": template.names, "aliases": template.names}, status=202)

    async def _register_v2(self, call: Call) -> Reply:
        wanted = await read(call, RegisterV2)
        if not _NAME.fullmatch(wanted.alias):
            raise refusal(400, f"invalid alias {wanted.alias!r}")
        template, _ = self._new(wanted.alias, [_DEFAULT_TAG], wanted.cpuCount, wanted.memoryMB)
        return json_reply(_legacy(template), status=202)

    async def _register_v1(self, call: Call) -> Reply:
        wanted = await read(call, Dockerfile)
        known = self._at(call).id if "id" in call.params else ""
        template, build = self._new(known or wanted.alias, [_DEFAULT_TAG], wanted.cpuCount, wanted.memoryMB)
        build.recipe = wanted.recipe()
        return json_reply(_legacy(template), status=202)

    def _new(self, name: str, tags: list[str], cpu: int, memory: int) -> tuple[Template, Build]:
        if not 1 <= cpu <= 8:
            raise refusal(400, "cpuCount must be from 1 to 8")
        # Half a GiB a CPU is said to be the least, and two of them with half a GiB the default of the command line.
        if memory % 512 or not 512 <= memory <= 4096 * cpu:
            raise refusal(400, "memoryMB must be a multiple of 512, and at most 4096 for each CPU")
        found = self._named(name) if name else None
        self._serial += 1
        now = self._clock.time()
        template = found[0] if found else Template(name, serial=self._serial, now=now)
        self._templates[template.id] = template
        build = Build(template.id, name=template.name, tags=tags, cpu_count=cpu, memory_mb=memory, now=now)
        template.builds.append(build)
        template.updated = now
        return template, build

    async def _link(self, call: Call) -> Reply:
        self._at(call)
        hash_ = call.params["hash"]
        if not _HASH.fullmatch(hash_):
            raise refusal(400, "the hash must be a SHA-256 in hexadecimal")
        link = self._links.setdefault(hash_, secrets.token_hex(16))
        url = f"{call.origin}/template-files/{hash_}?token={link}"
        return json_reply({"present": self._builds.archive(hash_) is not None, "url": url}, status=201)

    async def _put(self, call: Call) -> Reply:
        hash_ = call.params["hash"]
        if not hmac.compare_digest(call.query.get("token", "").encode(), self._links.get(hash_, "-").encode()):
            raise refusal(403, "the link is not valid")
        await self._builds.store(hash_, call.chunks())
        return Reply(200)

    # Builds.

    async def _start(self, call: Call) -> Reply:
        template, build = self._build(call)
        build.recipe = await read(call, Recipe)
        return self._begin(template, build)

    async def _start_v1(self, call: Call) -> Reply:
        return self._begin(*self._build(call))

    def _begin(self, template: Template, build: Build) -> Reply:
        if build.status != "waiting" or build.recipe is None:
            raise refusal(400, f"build '{build.id}' cannot be started: it is {build.status}")

        def ready() -> None:
            for tag in build.tags:
                template.tags[tag] = (build, self._clock.time())
            template.updated = self._clock.time()

        self._builds.start(build, ready)
        return Reply(202)

    async def _status(self, call: Call) -> Reply:
        template, build = self._build(call)
        offset = number(call, "logsOffset", 0)
        limit = number(call, "limit", _LOGS, most=_LOGS)
        lines = build.told(_level(call))[offset : offset + limit]
        told: dict[str, Any] = {"templateID": template.id, "buildID": build.id, "status": build.status}
        told |= {"logs": [line["message"] for line in lines], "logEntries": lines}
        if build.failed is not None:
            told["reason"] = {"step": build.failed.step, "message": build.failed.message}
        return json_reply(told)

    async def _logs(self, call: Call) -> Reply:
        _, build = self._build(call)
        limit = number(call, "limit", _LOGS, most=_LOGS)
        backward = call.query.get("direction") == "backward"
        cursor = number(call, "cursor", 2**62 if backward else 0)  # milliseconds
        lines = [
            line
            for log, line in zip(build.leveled(_level(call)), build.told(_level(call)), strict=True)
            if (log.timestamp * 1000 < cursor if backward else log.timestamp * 1000 >= cursor)
        ]
        return json_reply({"logs": lines[::-1][:limit] if backward else lines[:limit]})

    # Reading.

    async def _page(self, call: Call) -> Reply:
        kind = call.query.get("template_type", "template_build")
        page = number(call, "page", 1, least=1)
        limit = number(call, "limit", _PAGE, least=1, most=100)
        if kind == "snapshot_template":
            found = [self._snapshot(each) for each in self._sandboxes.snapshots.all()]
        elif kind == "template_build":
            found = [_listed(template) | {"templateType": kind} for template in self._newest_first()]
        else:
            raise refusal(400, f"unknown template_type {kind!r}")
        pages = max(1, -(-len(found) // limit))
        shown = found[(page - 1) * limit : page * limit]
        return json_reply({"templates": shown, "total": len(found), "page": page, "limit": limit, "totalPages": pages})

    async def _list(self, call: Call) -> Reply:
        return json_reply([_listed(template) for template in self._newest_first()])

    async def _get(self, call: Call) -> Reply:
        template = self._at(call)
        numbered = list(enumerate(template.builds, 1))[::-1]
        builds, headers = page_of(call, numbered)
        told = {name: value for name, value in _listed(template).items() if name in _OF_ALL_BUILDS}
        return json_reply(told | {"builds": [_build(build) for build in builds]}, headers=headers)

    async def _alias(self, call: Call) -> Reply:
        name = call.params["name"]
        if name in BASES:
            raise refusal(403, f"template '{name}' is not yours")
        found = self._named(name)
        if found is None:
            raise refusal(404, f"alias '{name}' not found")
        return json_reply({"templateID": found[0].id, "public": found[0].public})

    def _newest_first(self) -> list[Template]:
        return sorted(self._templates.values(), key=lambda template: -template.serial)

    def _snapshot(self, snapshot: Any) -> dict[str, Any]:
        image = snapshot.image
        return {
            "templateID": image.id,
            "templateType": "snapshot_template",
            "names": snapshot.names,
            "aliases": snapshot.names,
            "public": False,
            "cpuCount": image.cpu_count,
            "memoryMB": image.memory_mb,
            "diskSizeMB": DISK_MB,
            "envdVersion": ENVD_VERSION,
            "buildStatus": "ready",
            "createdAt": stamp(snapshot.created),
            "updatedAt": stamp(snapshot.created),
        }

    # Changing.

    async def _update(self, call: Call) -> Reply:
        template, wanted = self._at(call), await read(call, Visibility)
        if wanted.public is not None:
            template.public = wanted.public
        template.updated = self._clock.time()
        return json_reply({"names": template.names})

    async def _delete(self, call: Call) -> Reply:
        if await self._sandboxes.snapshots.remove(call.params["id"]):
            return Reply(204)
        template = self._at(call)
        del self._templates[template.id]
        await self._builds.discard(template.builds)
        return Reply(204)

    async def _assign(self, call: Call) -> Reply:
        wanted = await read(call, AssignTags)
        found = self._named(wanted.target)
        build = found and found[0].ready(found[1])
        if found is None or not build:
            raise refusal(404, f"there is no build '{wanted.target}'")
        if not wanted.tags:
            raise refusal(400, "tags are missing")
        for tag in wanted.tags:
            found[0].tags[tag] = (build, self._clock.time())
        return json_reply({"buildID": build.id, "tags": wanted.tags}, status=201)

    async def _unassign(self, call: Call) -> Reply:
        wanted = await read(call, DeleteTags)
        found = self._named(wanted.name)
        if found is None or not found[0].tags.keys() >= set(wanted.tags):
            raise refusal(404, f"template '{wanted.name}' has not got all of these tags")
        for tag in wanted.tags:
            del found[0].tags[tag]
        return Reply(204)

    async def _tags(self, call: Call) -> Reply:
        tags = self._at(call).tags
        return json_reply(
            [{"tag": tag, "buildID": build.id, "createdAt": stamp(since)} for tag, (build, since) in tags.items()]
        )


_OF_ALL_BUILDS = frozenset(
    {"templateID", "public", "aliases", "names", "createdAt", "updatedAt", "lastSpawnedAt", "spawnCount"}
)


def _level(call: Call) -> int:
    """How serious a line has to be to be told."""
    level = call.query.get("level", "debug")
    if level not in _LEVELS:
        raise refusal(400, f"unknown level {level!r}")
    return _LEVELS.index(level)


def _build(build: Build) -> dict[str, Any]:
    told: dict[str, Any] = {
        "buildID": build.id,
        "status": build.status,
        "createdAt": stamp(build.created),
        "updatedAt": stamp(build.updated),
        "cpuCount": build.cpu_count,
        "memoryMB": build.memory_mb,
        "diskSizeMB": DISK_MB,
        "envdVersion": ENVD_VERSION,
    }
    return told if build.finished is None else told | {"finishedAt": stamp(build.finished)}


def _legacy(template: Template) -> dict[str, Any]:
    """A template as the older answers have it."""
    count, last = template.spawned
    return {
        "templateID": template.id,
        "buildID": template.newest.id,
        "cpuCount": template.newest.cpu_count,
        "memoryMB": template.newest.memory_mb,
        "diskSizeMB": DISK_MB,
        "public": template.public,
        "aliases": template.names,
        "createdAt": stamp(template.created),
        "updatedAt": stamp(template.updated),
        "createdBy": None,
        "lastSpawnedAt": None if last is None else stamp(last),
        "spawnCount": count,
        "buildCount": len(template.builds),
        "envdVersion": ENVD_VERSION,
    }


def _listed(template: Template) -> dict[str, Any]:
    return _legacy(template) | {"names": template.names, "buildStatus": template.newest.status}
