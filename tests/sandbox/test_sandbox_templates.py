"""Templates on paper, the files they copy, and their builds on a platform that the test plays."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import os
import subprocess
import tarfile
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import openapi
import pytest
from helpers import connected, inside, json_reply

from novita_async import Simulator
from novita_async.errors import APIError, NotFound, PermissionDenied, ProtocolError, TaskFailed, ValidationError
from novita_async.sandbox import (
    Template,
    wait_for_file,
    wait_for_port,
    wait_for_process,
    wait_for_timeout,
    wait_for_url,
)
from novita_async.sandbox.context import Context
from novita_async.sandbox.shell import env_command
from novita_async.transport.protocol import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from novita_async import AsyncNovita, Request
    from novita_async.testing.clock import JumpClock

API = "http://api.test"
STORE = "https://store.test"
CONTRACT = openapi.contract("sandbox")
CONTRACT.operations()  # reads the file, here and not on the event loop

BUILD = "6f1d1f60-4a64-4b5e-9a5e-0d2f6f0f8a11"


class Platform:
    """Answers as the contract says, and holds every request to it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.uploads: list[bytes] = []
        self.statuses: list[dict[str, Any]] = [status("building"), status("ready")]
        self.present = False
        self.answers: dict[tuple[str, str], Callable[[Request], Reply]] = {}

    async def __call__(self, request: Request) -> Reply:
        body = request.body
        if body is not None and not isinstance(body, bytes):
            body = b"".join([chunk async for chunk in body])
        self.requests.append(msgspec.structs.replace(request, body=body))
        parts = urlsplit(request.url)
        if parts.netloc == "store.test":
            assert isinstance(body, bytes)
            self.uploads.append(body)
            return self.answers.get(("PUT", ""), lambda _: Reply(200))(request)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        CONTRACT.check_request(request.method, path, request.headers.get("content-type"), body)
        reply = self._answer(request, parts.path)
        if reply.status == 200 or reply.status == 201:
            assert isinstance(reply.body, bytes)
            CONTRACT.check_response(request.method, path, reply.status, reply.headers["content-type"], reply.body)
        return reply

    def _answer(self, request: Request, path: str) -> Reply:
        if answer := self.answers.get((request.method, path)):
            return answer(request)
        if path == "/v3/templates":
            ids = {"templateID": "tpl1", "buildID": BUILD, "public": False}
            return json_reply({**ids, "names": ["web"], "tags": ["default"], "aliases": ["web"]}, 202)
        if "/files/" in path:
            link = {"present": self.present, "url": f"{STORE}/{path.rpartition('/')[2]}?sig=1"}
            return json_reply(link, 201)
        if path.endswith("/status"):
            offset = int(parse_qs(urlsplit(request.url).query)["logsOffset"][0])
            told = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            entries = told["logEntries"][offset : offset + 100]
            return json_reply({**told, "logEntries": entries, "logs": [entry["message"] for entry in entries]})
        return Reply(202)

    def sent(self, method: str, path: str) -> list[Request]:
        return [each for each in self.requests if (each.method, urlsplit(each.url).path) == (method, path)]


def status(word: str, lines: int = 0, **more: Any) -> dict[str, Any]:
    entry = {"timestamp": "2026-11-25T10:00:00Z", "level": "info"}
    entries = [{**entry, "message": f"line {number}"} for number in range(lines)]
    return {"templateID": "tpl1", "buildID": BUILD, "status": word, "logs": [], "logEntries": entries, **more}


def body_of(request: Request) -> Any:
    assert isinstance(request.body, bytes)
    return msgspec.json.decode(request.body)


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
async def client(platform: Platform, clock: JumpClock) -> Any:
    async with connected(platform, clock, api_url=API) as client:
        yield client


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build context with all that a file system has."""
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / "app/main.py").write_text("print('hello')\n")
    (tmp_path / "app/sub/data.bin").write_bytes(bytes(range(256)) * 9000)
    (tmp_path / "app/run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "app/run.sh").chmod(0o755)
    (tmp_path / ".env").write_text("SECRET=1\n")
    (tmp_path / ".git/objects").mkdir(parents=True)
    (tmp_path / ".git/config").write_text("x")
    (tmp_path / "app/.hidden").write_text("h")
    (tmp_path / "link").symlink_to("app")
    (tmp_path / "app/sub/up").symlink_to("../main.py")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "sp ace").write_text("")
    return tmp_path


@pytest.fixture
def app_hash(context: Path) -> str:
    """Of `COPY app /app`."""
    return Context(str(context)).hash("app", "/app")


# ------------------------------------------------------------------------------------------- the context


SOURCES = [
    *(".", "./", "app", "app/", "./app", "*", "**", "**/*", "app/*", "**/*.py", "app/../app", "app/main.py", ".env"),
    *(".*", "link", "link/*", "broken", "app/sub", "[ab]*", "a?p", "app//sub", "app/**", "app/./sub", "sp ace"),
]


@pytest.mark.parametrize("resolve", [False, True])
def test_a_hash_is_the_one_that_the_official_client_makes(context: Path, resolve: bool):
    utils = pytest.importorskip(
        "novita_sandbox.core.template.utils", reason="novita-sandbox, the official client, is not installed"
    )
    for src in SOURCES:
        official = utils.calculate_files_hash(src, "/app", str(context), [], resolve, None)
        assert Context(str(context)).hash(src, "/app", resolve_symlinks=resolve) == official, src


def test_a_hash_changes_with_content_mode_and_target_and_not_with_time(context: Path):
    def made() -> str:
        return Context(str(context)).hash("app", "/app")

    first = made()
    os.utime(context / "app/main.py", (1, 1))
    assert made() == first
    (context / "app/run.sh").chmod(0o644)
    second = made()
    (context / "app/main.py").write_text("print('hullo')\n")
    assert len({first, second, made(), Context(str(context)).hash("app", "/other")}) == 4


def test_a_dockerignore_keeps_out_what_docker_would_keep_out(context: Path):
    (context / ".dockerignore").write_text("# secrets\n.env\n\n.git\n**/*.bin\n/broken\n!app/sub/keep.bin\n")
    (context / "app/sub/keep.bin").write_bytes(b"k")
    files = Context(str(context), ["link"]).files(".")
    assert ".env" not in files
    assert not any(path.startswith(".git") for path in files)
    assert "app/sub/data.bin" not in files
    assert "app/sub/keep.bin" in files
    assert "link" not in files
    assert "broken" not in files
    assert Context(str(context), ["app/*", "!app/main.py"]).files("app") == [
        "app",
        "app/main.py",
        "app/sub/keep.bin",
    ]


def test_an_archive_holds_the_files_and_nobodys_name(context: Path):
    archive = Context(str(context)).pack("app")
    data, offset = b"", 0
    while chunk := archive.read(offset):
        data, offset = data + chunk, offset + len(chunk)
    archive.close()
    assert len(data) == archive.size
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        members = {member.name: member for member in tar}
    assert sorted(members) == Context(str(context)).files("app")
    assert members["app/sub/up"].linkname == "../main.py"
    assert members["app/run.sh"].mode == 0o755
    assert {(member.uid, member.gid, member.uname, member.gname) for member in members.values()} == {(0, 0, "", "")}


def test_a_source_has_to_be_below_the_context(context: Path):
    for src in ("/etc/passwd", "../x", "a/../../x", "", "a\0b"):
        with pytest.raises(ValidationError, match="src must be a path"):
            Template(context).copy(src, "/x")
    with pytest.raises(ValidationError, match="there is no such file"):
        Context(str(context)).files("nope/*")


# ------------------------------------------------------------------------------------------- the builder


def test_a_template_says_each_step_as_the_platform_takes_it(context: Path):
    template = (
        Template(context)
        .from_python_image("3.12")
        .copy(["app/main.py", "app/run.sh"], "/app/", user="root", mode=0o755)
        .set_workdir("/app")
        .set_user("root")
        .run_cmd(["a", "b"], user="root")
        .pip_install("numpy>=2")
        .npm_install(["left-pad"], g=True)
        .apt_install(["curl", "git"], no_install_recommends=True)
        .git_clone("https://example.com/x.git", "/src/my repo", branch="main", depth=1)
        .make_dir(["~/one", "two words"], mode=0o700)
        .rename("a", "b", force=True)
        .make_symlink("b", "c")
        .skip_cache()
        .remove("c", recursive=True, force=True)
        .set_start_cmd("python main.py", wait_for_port(8000))
    )
    body = msgspec.json.decode(template.to_json())
    CONTRACT.check("TemplateBuildStartV2", body)
    assert (body["fromImage"], body["force"]) == ("python:3.12", False)
    copies = [step for step in body["steps"] if step["type"] == "COPY"]
    assert [step["args"] for step in copies] == [
        ["app/main.py", "/app/", "root", "0755"],
        ["app/run.sh", "/app/", "root", "0755"],
    ]
    assert copies[0]["filesHash"] == Context(str(context)).hash("app/main.py", "/app/")
    runs = [step["args"] for step in body["steps"] if step["type"] == "RUN"]
    assert runs == [
        ["a && b", "root"],
        ["pip install 'numpy>=2'", "root"],
        ["npm install -g left-pad", "root"],
        [
            "apt-get update && DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes "
            "apt-get install -y --no-install-recommends curl git",
            "root",
        ],
        ["git clone --branch main --single-branch --depth 1 https://example.com/x.git '/src/my repo'"],
        ["mkdir -p -m 0700 ~/one 'two words'"],
        ["mv -f a b"],
        ["ln -s b c"],
        ["rm -r -f c"],
    ]
    assert [step["force"] for step in body["steps"]][-2:] == [False, True]
    assert (body["startCmd"], body["readyCmd"]) == ("python main.py", wait_for_port(8000))


def test_where_a_template_starts_from():
    def begin(template: Template) -> dict[str, Any]:
        return {name: value for name, value in template.plan().body.items() if name.startswith("from")}

    assert begin(Template()) == {"fromImage": "novita/base"}
    assert begin(Template().from_template("web:v1")) == {"fromTemplate": "web:v1"}
    assert begin(Template().from_image("private/x", username="u", password="p")) == {
        "fromImage": "private/x",
        "fromImageRegistry": {"type": "registry", "username": "u", "password": "p"},
    }
    assert begin(Template().from_node_image()) == {"fromImage": "node:lts"}
    assert Template().skip_cache().from_debian_image().plan().body["force"] is True
    aws = Template().from_aws_registry("x", access_key_id="a", secret_access_key="b", region="c").plan().body
    CONTRACT.check("TemplateBuildStartV2", aws)
    with pytest.raises(ValidationError, match="given together"):
        Template().from_image("x", username="u")
    with pytest.raises(ValidationError, match="mcp-gateway"):
        Template().add_mcp_server("github")


def test_files_are_copied_from_beside_the_code_that_made_the_template():
    name = os.path.basename(__file__)
    assert Template().copy(name, "/x").plan().copies


def test_variables_are_written_where_shells_look(tmp_path: Path):
    values = {
        "PLAIN": "one",
        "PATH": "/opt/bin:$PATH",
        "QUOTES": 'it\'s "so"',
        "AGAIN": "${PLAIN}-two",
        "NOT_RUN": "$(touch /tmp/never) `id` back\\slash",
        "LINES": "a\nb",
        "9BAD": "x",
    }
    command = env_command(values)
    assert command is not None
    assert "root" not in command
    script = base64.b64decode(command.split()[1]).decode().replace("/etc/", f"{tmp_path}/")
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": "/usr/bin:/bin"})
    said = subprocess.run(
        [
            "sh",
            "-c",
            f". {tmp_path}/profile.d/99-image-env.sh; "
            'printf "%s|" "$PLAIN" "$PATH" "$QUOTES" "$AGAIN" "$NOT_RUN" "$LINES"',
        ],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin"},
    ).stdout.decode()
    assert said.split("|") == [
        "one",
        "/opt/bin:/usr/bin:/bin",
        'it\'s "so"',
        "one-two",
        "$(touch /tmp/never) `id` back\\slash",
        "a\nb",
        "",
    ]
    environment = (tmp_path / "environment").read_text()
    assert environment == (
        "PLAIN=one\nPATH=/opt/bin:/usr/bin:/bin\nAGAIN=one-two\nNOT_RUN=$(touch /tmp/never) `id` back\\slash\n"
    )
    assert env_command({}) is None
    last = Template().set_envs({"A": "1"}).plan().body["steps"][-1]
    assert (last["type"], last["args"][1]) == ("RUN", "root")


def test_ready_commands_quote_what_they_are_given():
    assert wait_for_file("/a b") == "[ -f '/a b' ]"
    assert wait_for_timeout(1.5) == "sleep 2"
    assert wait_for_process("x;y") == "pgrep 'x;y' > /dev/null"
    assert "'http://h/?a=1&b=2'" in wait_for_url("http://h/?a=1&b=2", status=204)
    for port in (0, 70000, "80"):
        with pytest.raises(ValidationError, match="port"):
            wait_for_port(port)  # type: ignore[arg-type] - what a caller may do


# ------------------------------------------------------------------------------------------- Dockerfiles

DOCKERFILE = """# a comment
ARG VERSION=3.12
FROM python:${VERSION} AS base
ENV A=1 B="two words"
ENV OLD form of it
RUN pip install x \\
    # in the middle
    && echo done
COPY --chown=user:user --chmod=755 app "/dest dir/"
ADD ["app/main.py", "app/run.sh", "/x/"]
WORKDIR /app
USER root
EXPOSE 80
LABEL a=b
RUN ["echo", "a b"]
ENTRYPOINT ["python"]
CMD ["main.py", "--fast"]
"""


def test_a_dockerfile_becomes_the_same_steps(context: Path):
    template = Template(context).from_dockerfile(DOCKERFILE)
    body = template.plan().body
    assert body["fromImage"] == "python:3.12"
    assert [(step["type"], list(step["args"])) for step in body["steps"][:-1]] == [
        ("USER", ["root"]),
        ("WORKDIR", ["/"]),
        ("ENV", ["A", "1", "B", "two words"]),
        ("ENV", ["OLD", "form of it"]),
        ("RUN", ["pip install x && echo done"]),
        ("COPY", ["app", "/dest dir/", "user:user", "0755"]),
        ("COPY", ["app/main.py", "/x/", "", ""]),
        ("COPY", ["app/run.sh", "/x/", "", ""]),
        ("WORKDIR", ["/app"]),
        ("USER", ["root"]),
        ("RUN", ["echo 'a b'"]),
    ]
    assert (body["startCmd"], body["readyCmd"]) == ("python main.py --fast", "sleep 20")
    again = Template(context).from_dockerfile(template.to_dockerfile())
    assert [step for step in again.plan().body["steps"] if step["type"] in ("COPY", "ENV")] == [
        step for step in body["steps"] if step["type"] in ("COPY", "ENV")
    ]


def test_a_dockerfile_that_says_nothing_of_them_ends_as_the_user_in_its_home(context: Path):
    (context / "Dockerfile").write_text("FROM debian\n")
    template = Template(context).run_cmd("before").from_dockerfile(context / "Dockerfile").run_cmd("after")
    steps = [(step["type"], step["args"][0]) for step in template.plan().body["steps"]]
    assert steps == [
        ("RUN", "before"),
        ("USER", "root"),
        ("WORKDIR", "/"),
        ("USER", "user"),
        ("WORKDIR", "/home/user"),
        ("RUN", "after"),
    ]
    assert template.to_dockerfile().startswith("FROM debian\nRUN before\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("FROM a\nFROM b\n", "second FROM"),
        ("RUN x\n", "comes before FROM"),
        ("# nothing\n", "needs a FROM"),
        ("FROM a\nCOPY --from=other x y\n", "cannot do COPY --from"),
        ("FROM a\nADD https://x.test/a /b\n", "from a URL"),
        ("FROM a\nSHELL x\n", "cannot do SHELL"),
        ("FROM a\nCOPY x\n", "source and a destination"),
        ("FROM a\nRUN <<EOF\n", "here-document"),
        ("FROM a\nENV A\n", "has no value"),
        ("FROM a\nRUN\n", "RUN of nothing"),
    ],
)
def test_a_dockerfile_that_a_template_cannot_do_is_refused(text: str, complaint: str):
    with pytest.raises(ValidationError, match=complaint):
        Template().from_dockerfile(text)


# -------------------------------------------------------------------------------------------- the builds


async def test_a_build_uploads_what_is_missing_and_is_waited_for(
    client: AsyncNovita, platform: Platform, context: Path, app_hash: str
):
    platform.statuses = [status("waiting"), status("building", 3), status("ready", 150)]
    lines: list[str] = []
    template = Template(context).copy("app", "/app").set_envs({"A": "1"})
    task = await client.sandboxes.templates.build(
        template, "web:v1", tags=["stable"], cpu_count=4, memory_mb=2048, on_log=lambda log: lines.append(log.message)
    )
    build = await task.wait()
    assert (build.template_id, build.build_id, build.status) == ("tpl1", BUILD, "ready")
    assert lines == [f"line {number}" for number in range(150)]
    [registered] = platform.sent("POST", "/v3/templates")
    assert body_of(registered) == {
        "name": "web:v1",
        "cpuCount": 4,
        "memoryMB": 2048,
        "tags": ["stable"],
    }
    [put] = [each for each in platform.requests if each.method == "PUT"]
    assert put.headers["content-length"] == str(len(platform.uploads[0]))
    assert "x-api-key" not in put.headers
    assert "authorization" not in put.headers
    with tarfile.open(fileobj=io.BytesIO(platform.uploads[0]), mode="r:gz") as tar:
        assert "app/sub/data.bin" in tar.getnames()
    [started] = platform.sent("POST", f"/v2/templates/tpl1/builds/{BUILD}")
    assert body_of(started)["steps"][0]["filesHash"] == app_hash


async def test_what_the_platform_has_is_not_sent_again_unless_that_is_asked_for(
    client: AsyncNovita, platform: Platform, context: Path
):
    platform.present = True
    await client.sandboxes.templates.build(Template(context).copy("app", "/a"), "web")
    assert platform.uploads == []
    await client.sandboxes.templates.build(Template(context).copy("app", "/a", force_upload=True), "web")
    assert len(platform.uploads) == 1


async def test_an_upload_that_fails_is_repeated_from_its_first_byte(
    client: AsyncNovita, platform: Platform, context: Path
):
    answers = iter([Reply(503), Reply(200)])
    platform.answers["PUT", ""] = lambda _: next(answers)
    await client.sandboxes.templates.build(Template(context).copy("app", "/a"), "web")
    first, second = platform.uploads
    assert first == second
    assert gzip.decompress(first)


async def test_a_step_that_fails_is_told_with_its_number(client: AsyncNovita, platform: Platform):
    platform.statuses = [status("error", reason={"step": "2", "message": "exit status 1"})]
    task = await client.sandboxes.templates.build(Template().run_cmd("false"), "web")
    with pytest.raises(TaskFailed, match="step 2: exit status 1") as failed:
        await task.wait()
    assert failed.value.task_type == "template"


async def test_a_log_is_a_stream_from_the_first_line_to_the_end(client: AsyncNovita, platform: Platform):
    platform.statuses = [status("building", 1), status("building", 4), status("error", 5, reason={"message": "x"})]
    task = await client.sandboxes.templates.build(Template(), "web")
    lines = [log async for log in client.sandboxes.templates.logs(task, level="info")]
    assert [log.message for log in lines] == [f"line {number}" for number in range(5)]
    assert lines[0].timestamp is not None
    assert lines[0].timestamp.tzinfo is not None
    query = parse_qs(urlsplit(platform.requests[-1].url).query)
    assert (query["logsOffset"], query["level"]) == (["4"], ["info"])


async def test_two_reads_at_once_tell_no_line_twice(client: AsyncNovita, platform: Platform):
    platform.statuses = [status("building", 3)]
    lines: list[str] = []
    task = await client.sandboxes.templates.build(Template(), "web", on_log=lambda log: lines.append(log.message))
    await asyncio.gather(task.refresh(), task.refresh())
    assert lines == ["line 0", "line 1", "line 2"]


async def test_a_log_that_is_left_early_is_read_no_more(client: AsyncNovita, platform: Platform, clock: JumpClock):
    platform.statuses = [status("building", 3)]
    task = await client.sandboxes.templates.build(Template(), "web")
    async with aclosing(client.sandboxes.templates.logs(task)) as lines:
        assert (await anext(lines)).message == "line 0"
    reads = len(platform.requests)
    await clock.sleep(60)
    assert len(platform.requests) == reads


async def test_the_simulator_and_the_client_agree(clock: JumpClock, context: Path):
    async with Simulator(clock=clock) as sim:
        where = {"api_url": sim.base_url, "sandbox_url": sim.base_url}
        async with inside(sim, **where) as novita:
            template = (
                Template(context)
                .copy("app", "/srv", mode=0o755)
                .set_workdir("/srv")
                .set_envs({"A": "1", "B": "$A-2"})
                .run_cmd("cp main.py seen")
                .set_start_cmd("exec sleep 1000", wait_for_file("/srv/main.py"))
            )
            task = await novita.sandboxes.templates.build(template, "web:v1")
            await task.wait()
            lines = [log.message async for log in novita.sandboxes.templates.logs(task)]
            assert any("COPY app /srv" in line for line in lines)
            [listed] = await novita.sandboxes.templates.list()
            assert (listed.names, listed.build_status) == (["web"], "ready")
            async with novita.sandboxes.create("web:v1") as sandbox:
                done = await sandbox.commands.run("cat main.py sub/up; echo $A $B")
                assert done.stdout == "print('hello')\n" * 2 + "1 1-2\n"
            broken = Template().from_template("web").copy(__file__.rpartition("/")[2], "/usr/x")
            failed = await novita.sandboxes.templates.build(broken, "broken")
            with pytest.raises(TaskFailed, match="step 1: COPY failed"):
                await failed.wait()
            assert await novita.sandboxes.templates.delete(listed.id) is True


async def test_another_process_waits_for_a_build_by_its_id(client: AsyncNovita, platform: Platform):
    build = await client.tasks.wait(f"tpl1/{BUILD}", kind="template")
    assert build.build_id == BUILD
    with pytest.raises(ValidationError, match="template_id/build_id"):
        await client.tasks.wait("tpl1", kind="template")


async def test_a_build_that_never_began_is_not_in_the_journal(clock: JumpClock, platform: Platform, tmp_path: Path):
    platform.answers["POST", f"/v2/templates/tpl1/builds/{BUILD}"] = lambda _: json_reply(
        {"code": 400, "message": "no"}, 400
    )
    async with connected(platform, clock, api_url=API, journal=tmp_path / "journal") as client:
        with pytest.raises(APIError, match="no"):
            await client.sandboxes.templates.build(Template(), "web")
        assert await client.tasks.resume() == []
        del platform.answers["POST", f"/v2/templates/tpl1/builds/{BUILD}"]
        await client.sandboxes.templates.build(Template(), "web")
        [task] = await client.tasks.resume()
        assert (task.kind, (await task.wait()).template_id) == ("template", "tpl1")  # type: ignore[union-attr]
        assert await client.tasks.resume() == []


async def test_no_place_for_missing_files_is_an_answer_without_sense(
    client: AsyncNovita, platform: Platform, context: Path, app_hash: str
):
    platform.answers["GET", f"/templates/tpl1/files/{app_hash}"] = lambda _: json_reply({"present": False}, 201)
    with pytest.raises(ProtocolError, match="no place"):
        await client.sandboxes.templates.build(Template(context).copy("app", "/app"), "web")


async def test_what_cannot_be_built_is_refused_before_a_byte_leaves(
    client: AsyncNovita, platform: Platform, context: Path
):
    build = client.sandboxes.templates.build
    for options in ({"cpu_count": 0}, {"memory_mb": 64}, {"tags": [""]}, {"timeout": -1}):
        with pytest.raises(ValidationError):
            await build(Template(), "web", **options)  # type: ignore[arg-type] - one of each kind
    for name in ("", "x" * 129, None):
        with pytest.raises(ValidationError, match="name"):
            await build(Template(), name)  # type: ignore[arg-type] - what a caller may do
    with pytest.raises(ValidationError, match="no such file"):
        await build(Template(context).copy("gone", "/x"), "web")
    with pytest.raises(ValidationError, match="Dockerfile cannot be read"):
        await build(Template(context).from_dockerfile(context / "Dockerfile"), "web")
    assert platform.requests == []


# ------------------------------------------------------------------------------------ what there is already


async def test_templates_come_page_by_page(client: AsyncNovita, platform: Platform):
    def page(request: Request) -> Reply:
        number = int(parse_qs(urlsplit(request.url).query)["page"][0])
        found = [{"templateID": f"t{number}", "names": ["n"], "surprise": 1, "createdAt": "2026-01-01T00:00:00Z"}]
        return json_reply({"templates": found, "total": 2, "page": number, "limit": 100, "totalPages": 2})

    platform.answers["GET", "/v2/templates"] = page
    found = await client.sandboxes.templates.list(kind="snapshot_template")
    assert [template.id for template in found] == ["t1", "t2"]
    assert found[0].raw["surprise"] == 1
    assert found[0].created_at is not None
    assert found[0].created_at.tzinfo is not None


async def test_a_name_is_looked_up(client: AsyncNovita, platform: Platform):
    templates = client.sandboxes.templates
    platform.answers["GET", "/templates/aliases/web"] = lambda _: json_reply({"templateID": "t1", "public": True})
    platform.answers["GET", "/templates/aliases/base"] = lambda _: json_reply({"code": 403, "message": "no"}, 403)
    platform.answers["GET", "/templates/aliases/none"] = lambda _: json_reply({"code": 404, "message": "no"}, 404)
    assert await templates.lookup("web") == "t1"
    assert [await templates.exists(name) for name in ("web", "base", "none")] == [True, True, False]
    with pytest.raises(PermissionDenied):
        await templates.lookup("base")
    with pytest.raises(NotFound):
        await templates.lookup("none")
    with pytest.raises(ValidationError):
        await templates.lookup("")


async def test_a_template_is_read_shared_tagged_and_deleted(client: AsyncNovita, platform: Platform):
    templates = client.sandboxes.templates
    moment = "2026-01-01T00:00:00Z"
    told = {"templateID": "t1", "public": False, "aliases": [], "names": ["web"], "spawnCount": 0}
    build = {"buildID": BUILD, "status": "ready", "cpuCount": 2, "memoryMB": 512, "createdAt": moment}
    platform.answers |= {
        ("GET", "/templates/t1"): lambda _: json_reply(
            told
            | {"createdAt": moment, "updatedAt": moment, "lastSpawnedAt": None}
            | {"builds": [build | {"updatedAt": moment}]}
        ),
        ("PATCH", "/v2/templates/t1"): lambda _: json_reply({"names": ["web"]}),
        ("POST", "/templates/tags"): lambda _: json_reply({"buildID": BUILD, "tags": ["v2"]}, 201),
        ("DELETE", "/templates/tags"): lambda _: Reply(204),
        ("GET", "/templates/t1/tags"): lambda _: json_reply([{"tag": "v1", "buildID": BUILD, "createdAt": moment}]),
        ("DELETE", "/templates/t1"): lambda _: Reply(204),
        ("DELETE", "/templates/t2"): lambda _: json_reply({"code": 404, "message": "no"}, 404),
    }
    template = await templates.get("t1")
    assert template.builds is not None
    assert template.builds[0].id == BUILD
    await templates.publish("t1")
    await templates.unpublish("t1")
    assert [body_of(each) for each in platform.sent("PATCH", "/v2/templates/t1")] == [
        {"public": True},
        {"public": False},
    ]
    assert (await templates.assign_tags("web:v1", "v2")).tags == ["v2"]
    await templates.remove_tags("web", ["v1", "v2"])
    assert [(each.tag, each.build_id) for each in await templates.get_tags("t1")] == [("v1", BUILD)]
    assert (await templates.delete("t1"), await templates.delete("t2")) == (True, False)
    with pytest.raises(ValidationError, match="at least one"):
        await templates.remove_tags("web", [])
