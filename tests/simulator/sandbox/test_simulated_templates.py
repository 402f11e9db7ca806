"""Templates of the simulator: registered in all three forms, uploaded to, built, tagged, and sandboxes made of them."""

from __future__ import annotations

import asyncio
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.simulator.sandbox.paths import Tree
from novita_async.simulator.sandbox.recipe import Dockerfile, expanded
from novita_async.simulator.sandbox.unpack import Copy, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox_room import Judged, Room

ANY = pytest.mark.parametrize("room", ["any"], indirect=True)
PLAIN = pytest.mark.parametrize("room", ["plain"], indirect=True)  # isolation changes nothing there, and takes time


def packed(*members: tuple[str, bytes | str | None], mode: int = 0o644) -> bytes:
    """A gzip tar: bytes are files, text is the target of a link, None a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.mode = mode
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


class Shop:
    """What a client does to have a template built, every answer judged."""

    def __init__(self, judged: Judged) -> None:
        self.call = judged
        self.room = judged.room

    async def register(self, name: str = "web", **fields: Any) -> dict[str, Any]:
        wanted = {"name": name, "cpuCount": 2, "memoryMB": 1024, **fields}
        return await self.call("POST", "/v3/templates", wanted, status=202)

    async def upload(self, template: str, archive: bytes) -> str:
        hash_ = hashlib.sha256(archive).hexdigest()
        link = await self.call("GET", f"/templates/{template}/files/{hash_}", status=201)
        assert link["present"] is False
        put = await self.room("PUT", link["url"], archive, headers={})
        assert put.status == 200
        link = await self.call("GET", f"/templates/{template}/files/{hash_}", status=201)
        assert link["present"] is True
        return hash_

    async def build(
        self, made: dict[str, Any], *steps: dict[str, Any], turn: float = 0.05, **recipe: Any
    ) -> dict[str, Any]:
        """Start a registered build and wait for its end."""
        path = f"/v2/templates/{made['templateID']}/builds/{made['buildID']}"
        await self.call("POST", path, {"steps": list(steps), "force": False, **recipe}, status=202)
        return await self.wait(made, turn=turn)

    async def wait(self, made: dict[str, Any], *, turn: float = 0.05) -> dict[str, Any]:
        """Turn the clock until it is over, so many seconds at once."""
        while True:
            told = await self.status(made)
            if told["status"] not in ("waiting", "building"):
                return told
            await self.room.clock.advance(turn)
            await asyncio.sleep(0.005)

    async def status(self, made: dict[str, Any], query: str = "") -> dict[str, Any]:
        return await self.call("GET", f"/templates/{made['templateID']}/builds/{made['buildID']}/status{query}")


@pytest.fixture
def shop(judged: Judged) -> Shop:
    return Shop(judged)


def step(kind: str, *args: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "args": list(args), "force": False, **more}


# -------------------------------------------------------------------------------------------- whole builds


async def test_a_sandbox_starts_with_what_its_template_was_built_with(shop: Shop):
    room = shop.room
    made = await shop.register("web", tags=["v1"])
    archive = packed(("app", None), ("app/main.py", b"print('hi')\n"), ("app/sub/link", "../main.py"))
    hash_ = await shop.upload(made["templateID"], archive)
    told = await shop.build(
        made,
        step("COPY", "app", "/srv/app", "", "", filesHash=hash_),
        step("ENV", "GREETING", "hello", "PATH", "/srv/bin:$PATH"),
        step("WORKDIR", "/srv/app"),
        step("RUN", "echo $GREETING; pwd; echo ran > ran; echo oops >&2", "root"),
        step("USER", "root"),
        startCmd="echo started > /tmp/started; exec sleep 1000",
        readyCmd="[ -f /tmp/started ]",
        fromImage="novita/base",
    )
    assert told["status"] == "ready", told
    lines = [entry["message"] for entry in told["logEntries"]]
    if room.isolated:
        assert {"[stdout]: hello", "[stdout]: /srv/app", "[stderr]: oops"} <= set(lines)
    else:
        assert any("noted down and not run" in line for line in lines)
    box = await room.create(templateID="web:v1", envVars={"MORE": "1"})
    assert box.made["alias"] == "web"
    there = await box.run("pwd; cat main.py; readlink sub/link; echo $GREETING $MORE; id -un")
    directory, *rest = there.stdout.splitlines()
    assert directory.endswith("/srv/app")
    assert rest[:3] == ["print('hi')", "../main.py", "hello 1"]
    if room.isolated:
        assert rest[3] == "root"
        assert (await box.run("cat ran")).stdout == "ran\n"
    started = await box.run("until [ -f /tmp/started ]; do sleep 0.01; done; echo yes") if room.isolated else None
    assert started is None or started.stdout == "yes\n"


@PLAIN
async def test_a_sandbox_keeps_what_it_has_when_its_template_is_built_anew_or_deleted(shop: Shop):
    made = await shop.register("web")
    await shop.build(made, step("WORKDIR", "/one"))
    first = await shop.room.create(templateID="web")
    await shop.build(await shop.register("web"), step("WORKDIR", "/two"))
    second = await shop.room.create(templateID=made["templateID"])
    assert (await shop.room("DELETE", f"/templates/{made['templateID']}")).status == 204
    assert (await first.run("pwd")).stdout.strip().endswith("/one")
    assert (await second.run("pwd")).stdout.strip().endswith("/two")
    gone = await shop.room("POST", "/sandboxes", {"templateID": "web"})
    assert gone.status == 404


@PLAIN
async def test_a_template_is_built_on_another_one(shop: Shop):
    await shop.build(await shop.register("below"), step("ENV", "A", "1"), step("WORKDIR", "/below"))
    on_top = await shop.register("above")
    told = await shop.build(on_top, step("ENV", "B", "${A}2"), fromTemplate="below")
    assert told["status"] == "ready"
    box = await shop.room.create(templateID="above")
    assert (await box.run("echo $A $B $(basename $PWD)")).stdout == "1 12 below\n"
    told = await shop.build(await shop.register("nowhere"), fromTemplate="missing")
    assert told["reason"] == {"step": "base", "message": "template 'missing' not found"}
    for base in ("base", "code-interpreter-v1", "desktop", "mcp-gateway"):
        assert (await shop.build(await shop.register(f"on-{base}"), fromTemplate=base))["status"] == "ready"


@PLAIN
async def test_a_step_that_fails_ends_the_build_and_says_which(shop: Shop):
    for wrong, message in (
        (step("COPY", "x", "/y", filesHash="0" * 64), "not uploaded"),
        (step("COPY", "x"), "COPY failed"),
        (step("USER", "nobody"), "no user 'nobody'"),
        (step("DANCE", "x"), "no such step"),
        (step("WORKDIR", "/usr/src"), "WORKDIR failed"),
    ):
        told = await shop.build(await shop.register(), step("ENV", "A", "1"), wrong, step("ENV", "B", "1"))
        assert (told["status"], told["reason"]["step"]) == ("error", "2")
        assert message in told["reason"]["message"]
        assert told["logEntries"][-1]["level"] == "error"
    assert (await shop.room("POST", "/sandboxes", {"templateID": "web"})).status == 404


async def test_a_command_that_fails_ends_the_build(shop: Shop):
    made = await shop.register()
    told = await shop.build(made, step("RUN", "echo before; exit 7"))
    if not shop.room.isolated:
        assert told["status"] == "ready"  # noted down and not run
        return
    assert told["reason"] == {"step": "1", "message": "failed to run command 'echo before; exit 7': exit status 7"}
    assert "[stdout]: before" in [entry["message"] for entry in told["logEntries"]]


@ANY
async def test_variables_can_be_written_where_shells_look(shop: Shop):
    """What clients add to a build with variables, as the platform gives them to the build only."""
    script = "set -e; mkdir -p /etc/profile.d; : > /etc/profile.d/99-image-env.sh; : > /etc/environment"
    told = await shop.build(await shop.register(), step("RUN", script + "; echo A=1 >> /etc/environment", "root"))
    assert told["status"] == "ready", told
    box = await shop.room.create(templateID="web")
    if shop.room.isolated:
        assert (await box.run("cat /etc/environment")).stdout == "A=1\n"


@ANY
async def test_a_ready_command_that_only_waits_does_so_by_the_clock(shop: Shop):
    made = await shop.register()
    began = shop.room.clock.monotonic()
    told = await shop.build(made, startCmd="exec sleep 1000", readyCmd="sleep 20", turn=1)
    assert told["status"] == "ready"
    assert not shop.room.isolated or shop.room.clock.monotonic() - began >= 20


@ANY
async def test_a_start_command_that_fails_ends_the_build(shop: Shop):
    told = await shop.build(await shop.register(), startCmd="exit 5", readyCmd="false", turn=0.5)
    if shop.room.isolated:
        assert told["reason"] == {"step": "finalize", "message": "start command failed: exit status 5"}


@ANY
async def test_builds_that_are_under_way_end_with_the_simulator(shop: Shop):
    made = await shop.register()
    path = f"/v2/templates/{made['templateID']}/builds/{made['buildID']}"
    await shop.call("POST", path, {"steps": [step("RUN", "sleep 1000")]}, status=202)
    await shop.room.clock.advance(1)
    await asyncio.sleep(0.05)
    assert (await shop.status(made))["status"] == "building"
    await shop.room.sandboxes.aclose()  # the room then finds nothing of it on the disk


# ------------------------------------------------------------------------------------------ the older forms


@PLAIN
async def test_the_older_forms_register_and_start_builds(shop: Shop):
    second = await shop.call("POST", "/v2/templates", {"alias": "two", "cpuCount": 1, "memoryMB": 512}, status=202)
    assert (second["aliases"], second["cpuCount"], second["buildCount"]) == (["two"], 1, 1)
    assert (await shop.build(second))["status"] == "ready"
    text = "FROM debian\nENV A=1 B='2 3'\nWORKDIR /x\nCMD sleep 100\n"
    first = await shop.call("POST", "/templates", {"dockerfile": text, "alias": "one"}, status=202)
    path = f"/templates/{first['templateID']}/builds/{first['buildID']}"
    assert (await shop.room("POST", path)).status == 202
    assert (await shop.wait(first))["status"] == "ready"
    box = await shop.room.create(templateID="one")
    assert (await box.run("echo $A $B")).stdout == "1 2 3\n"
    again = await shop.call("POST", "/templates/one", {"dockerfile": "FROM x\nCOPY a b\n"}, status=202)
    assert (again["templateID"], again["buildCount"]) == (first["templateID"], 2)
    assert (await shop.room("POST", f"/templates/one/builds/{again['buildID']}")).status == 202
    assert "not uploaded" in (await shop.wait(again))["reason"]["message"]
    listed = await shop.call("GET", "/templates")
    assert [each["names"] for each in listed] == [["one"], ["two"]]


def test_a_dockerfile_of_the_first_generation_is_read():
    recipe = Dockerfile(dockerfile="FROM a\nRUN x \\\n && y\nENV K v w\nUSER root\nENTRYPOINT run\n").recipe()
    assert [(each.type, each.args) for each in recipe.steps] == [
        ("RUN", ["x   && y"]),
        ("ENV", ["K", "v w"]),
        ("USER", ["root"]),
    ]
    assert (recipe.fromImage, recipe.startCmd) == ("a", "run")
    assert expanded("$A ${B} \\$A $MISSING!", {"A": "1", "B": "2"}) == "1 2 $A !"


# ------------------------------------------------------------------------------- reading, tagging, sharing


@PLAIN
async def test_a_log_comes_in_parts_and_by_level(shop: Shop):
    made = await shop.register()
    told = await shop.build(made, step("ENV", "A", "1"), step("COPY", "x", "y", filesHash="0" * 64))
    whole = told["logEntries"]
    assert told["logs"] == [entry["message"] for entry in whole]
    parts = [(await shop.status(made, f"?logsOffset={at}&limit=1"))["logEntries"] for at in range(len(whole) + 1)]
    assert parts == [*([entry] for entry in whole), []]
    serious = await shop.status(made, "?level=error")
    assert [entry["level"] for entry in serious["logEntries"]] == ["error"]
    path = f"/templates/{made['templateID']}/builds/{made['buildID']}/logs"
    assert (await shop.call("GET", path))["logs"] == whole
    backward = await shop.call("GET", f"{path}?direction=backward&limit=2")
    assert backward["logs"] == whole[::-1][:2]
    assert (await shop.room("GET", f"{path}?level=loud")).status == 400


@PLAIN
async def test_templates_are_listed_page_by_page_and_read_with_their_builds(shop: Shop):
    for name in ("a", "b", "c"):
        await shop.build(await shop.register(name))
    await shop.register("c")
    pages = [await shop.call("GET", f"/v2/templates?page={number}&limit=2") for number in (1, 2)]
    assert [[each["names"][0] for each in page["templates"]] for page in pages] == [["c", "b"], ["a"]]
    assert {(page["total"], page["totalPages"]) for page in pages} == {(3, 2)}
    newest, oldest = (await shop.call("GET", "/templates/c"))["builds"]
    assert (newest["status"], oldest["status"]) == ("waiting", "ready")
    part = await shop.room("GET", "/templates/c?limit=1")
    rest = await shop.call("GET", f"/templates/c?limit=1&nextToken={part.headers['x-next-token']}")
    assert [build["buildID"] for build in rest["builds"]] == [oldest["buildID"]]
    assert (await shop.room("GET", "/templates/none")).status == 404
    box = await shop.room.create(templateID="a")
    snapshot = await shop.call("POST", f"/sandboxes/{box.id}/snapshots", {}, status=201)
    [listed] = (await shop.call("GET", "/v2/templates?template_type=snapshot_template"))["templates"]
    assert listed["templateID"] == snapshot["snapshotID"]
    assert (await shop.room("DELETE", f"/templates/{snapshot['snapshotID']}")).status == 204
    assert (await shop.call("GET", "/templates/a"))["spawnCount"] == 1


@PLAIN
async def test_a_name_is_looked_up_and_a_template_shared(shop: Shop):
    made = await shop.register("web")
    found = await shop.call("GET", "/templates/aliases/web")
    assert found == {"templateID": made["templateID"], "public": False}
    await shop.register("team/web")
    assert (await shop.room("GET", "/templates/aliases/team%2Fweb")).status == 200
    path = f"/v2/templates/{made['templateID']}"
    assert await shop.call("PATCH", path, {"public": True}) == {"names": ["web"]}
    assert (await shop.call("GET", "/templates/aliases/web"))["public"] is True
    assert (await shop.room("GET", "/templates/aliases/none")).status == 404
    assert (await shop.room("GET", "/templates/aliases/base")).status == 403
    assert (await shop.room("DELETE", "/templates/none")).status == 404


@PLAIN
async def test_tags_say_which_build_a_sandbox_is_made_of(shop: Shop):
    await shop.build(await shop.register("web:v1"), step("ENV", "N", "1"))
    two = await shop.register("web:v2", tags=["stable"])
    assert two["tags"] == ["v2", "stable"]
    await shop.build(two, step("ENV", "N", "2"))

    async def number(name: str) -> str:
        box = await shop.room.create(templateID=name)
        return (await box.run("echo $N")).stdout.strip()

    assert [await number(name) for name in ("web:v1", "web:v2", "web:stable", "web")] == ["1", "2", "2", "2"]
    moved = await shop.call("POST", "/templates/tags", {"target": "web:v1", "tags": ["stable"]}, status=201)
    assert moved["tags"] == ["stable"]
    assert await number("web:stable") == "1"
    tags = {each["tag"]: each["buildID"] for each in await shop.call("GET", "/templates/web/tags")}
    assert tags["stable"] == tags["v1"] != tags["v2"]
    assert (await shop.room("DELETE", "/templates/tags", {"name": "web", "tags": ["stable"]})).status == 204
    assert (await shop.room("DELETE", "/templates/tags", {"name": "web", "tags": ["stable"]})).status == 404
    assert (await shop.room("POST", "/sandboxes", {"templateID": "web:stable"})).status == 404
    assert (await shop.room("POST", "/templates/tags", {"target": "web:no", "tags": ["x"]})).status == 404


@PLAIN
async def test_what_cannot_be_registered_is_refused(room: Room):
    for wanted in (
        {"name": ""},
        {"name": "../x"},
        {"name": "web", "cpuCount": 9},
        {"name": "web", "cpuCount": 1, "memoryMB": 8192},
        {"name": "web", "cpuCount": 1, "memoryMB": 0},
        {"name": "web", "memoryMB": 1000},
        {"name": 3},
    ):
        assert (await room("POST", "/v3/templates", wanted)).status == 400, wanted


@PLAIN
async def test_only_who_has_the_key_or_the_link_comes_in(shop: Shop):
    made = await shop.register()
    assert (await shop.room("GET", "/v2/templates", headers={})).status == 401
    hash_ = "0" * 64
    link = await shop.call("GET", f"/templates/{made['templateID']}/files/{hash_}", status=201)
    for url in (link["url"][:-1], link["url"].partition("?")[0], link["url"].replace(hash_, "1" * 64)):
        assert (await shop.room("PUT", url, b"x")).status == 403
    assert (await shop.room("GET", f"/templates/{made['templateID']}/files/..%2Fx")).status in (400, 404)
    path = f"/v2/templates/{made['templateID']}/builds/{made['buildID']}"
    assert (await shop.room("POST", path, {"steps": []})).status == 202
    assert (await shop.room("POST", path, {"steps": []})).status == 400
    assert (await shop.room("POST", f"{path}x", {"steps": []})).status == 404


# ------------------------------------------------------------------------------------- what COPY unpacks


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for name in ("home/user", "etc"):
        (tmp_path / "tree" / name).mkdir(parents=True)
    return Tree(tmp_path / "tree")


def copied(tmp_path: Path, tree: Tree, archive: bytes, copy: Copy) -> list[str]:
    (tmp_path / "a.tar.gz").write_bytes(archive)
    unpack(tmp_path / "a.tar.gz", copy, tree)
    return sorted(str(path.relative_to(tree.root)) for path in tree.root.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (Copy("app", "/x"), ["x/main.py", "x/sub/data"]),
        (Copy("./app/", "/x/"), ["x/main.py", "x/sub/data"]),
        (Copy("app/main.py", "/x"), ["x"]),
        (Copy("app/main.py", "/x/"), ["x/main.py"]),
        (Copy("app/main.py", "/home/user"), ["home/user/main.py"]),
        (Copy("app/*", "/x"), ["x/data", "x/main.py"]),
        (Copy("**/*.py", "/x"), ["x"]),
        (Copy(".", "/"), ["app/main.py", "app/sub/data", "top"]),
    ],
)
def test_files_come_to_where_docker_would_put_them(tmp_path: Path, tree: Tree, copy: Copy, expected: list[str]):
    members = [("app", None), ("app/main.py", b"1"), ("app/sub", None), ("app/sub/data", b"2"), ("top", b"3")]
    if copy.src != ".":
        members = members[:-1]
    assert copied(tmp_path, tree, packed(*members), copy) == expected


def test_a_mode_and_a_link_are_kept_and_what_was_there_is_replaced(tmp_path: Path, tree: Tree):
    (tree.root / "x").mkdir()
    (tree.root / "x/f").symlink_to("/home")
    copied(tmp_path, tree, packed(("a", None), ("a/f", b"1"), ("a/l", "f"), mode=0o750), Copy("a", "/x"))
    assert (tree.root / "x/f").stat().st_mode & 0o777 == 0o750
    assert (tree.root / "x/l").readlink().name == "f"
    copied(tmp_path, tree, packed(("f", b"2")), Copy("f", "/x/f", mode=0o600))
    assert ((tree.root / "x/f").read_bytes(), (tree.root / "x/f").stat().st_mode & 0o777) == (b"2", 0o600)


@pytest.mark.parametrize(
    "archive",
    [
        packed(("app/../../out", b"1"), ("app/f", b"1")),
        packed(("/out", b"1"), ("app/f", b"1")),
        packed(("app", None), ("app/away", "/../.."), ("app/away/out", b"1")),
        packed(("app", None), ("app/away", "../../../.."), ("app/away/tmp/out", b"1")),
    ],
)
def test_no_member_of_an_archive_leads_out(tmp_path: Path, tree: Tree, archive: bytes):
    before = {path for path in tmp_path.rglob("*") if tree.root not in path.parents}
    copied(tmp_path, tree, archive, Copy("app", "/x"))
    (tmp_path / "a.tar.gz").unlink()
    assert {path for path in tmp_path.rglob("*") if tree.root not in path.parents} == before


def test_what_is_no_archive_or_holds_nothing_is_an_error(tmp_path: Path, tree: Tree):
    for archive, complaint in ((b"junk", "cannot be read"), (packed(("b", b"1")), "holds nothing")):
        with pytest.raises(OSError, match=complaint):
            copied(tmp_path, tree, archive, Copy("a", "/x"))
    with pytest.raises(PermissionError):
        copied(tmp_path, tree, packed(("a", b"1")), Copy("a", "/etc/passwd"))
