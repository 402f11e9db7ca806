"""`novita-async template`: one and many, versions, novita.toml, and code in place of a Dockerfile."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]

DOCKERFILE = """FROM python:3.12
ARG WHO=me
COPY --chmod=644 note "/home/user/a note"
RUN echo "$WHO's $(cat '/home/user/a note')" > /home/user/made
CMD ["sleep", "100"]
"""
TOML = 'template_name = "mine"\ndockerfile = "other.Dockerfile"\nready_cmd = "true"  # at once\nmemory_mb = 1024\n'


@pytest.fixture(autouse=True)
def here(cloud: Cloud, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(command: Command, *args: str) -> str:
    code, output, errors = command(*args)
    assert code == 0, (args, errors)
    return output.strip()


def made_of(command: Command, *args: str) -> str:
    """What the Dockerfile has made in a sandbox."""
    id_ = done(command, "sandbox", "create", *args)
    return done(command, "sandbox", "exec", id_, "--", "cat made")


def test_a_directory_says_what_its_template_is(command: Command, here: pathlib.Path) -> None:
    (here / "note").write_text("note")
    (here / "other.Dockerfile").write_text(DOCKERFILE)
    (here / "novita.toml").write_text(TOML)
    id_ = done(command, "template", "build", "--build-arg", "WHO=you", "--tag", "first", "--tag", "default")
    assert (here / "novita.toml").read_text() == f'{TOML}template_id = "{id_}"\n'
    assert made_of(command) == "you's note"
    assert done(command, "tpl", "build") == id_
    assert made_of(command) == "me's note"
    newest, oldest = json.loads(done(command, "template", "version", "-o", "json"))
    assert (newest["memoryMB"], oldest["status"]) == (1024, "ready")
    assert f"{newest['buildID']}\tdefault\t" in done(command, "template", "vn", id_)
    assert oldest["buildID"] in done(command, "template", "version", "-r", oldest["buildID"])
    assert made_of(command) == "you's note"
    assert command("template", "version", "--rollback", "third")[:2] == (1, "")
    assert done(command, "template", "publish", "-y") == f"published {id_}"
    assert done(command, "template", "unpublish", "mine", "-y") == "unpublished mine"
    assert done(command, "template", "delete", "-y") == f"deleted {id_}"
    assert not (here / "novita.toml").exists()
    assert command("template", "delete", "-y")[:2] == (2, "")


def test_each_image_of_a_file_becomes_a_template_once(command: Command, here: pathlib.Path) -> None:
    (here / "images").write_text("python:3.12\n# none\nnode:20  # older\n")
    code, output, errors = command("template", "create", "--from-file", "images", "--prefix", "x-", "--json")
    assert code == 0, errors
    assert [(row["name"], row["result"]) for row in json.loads(output)] == [
        ("x-python-3-12", "built"),
        ("x-node-20", "built"),
    ]
    record: dict[str, Any] = json.loads((here / "novita-templates.json").read_text())
    assert record["templates"].keys() == {"python:3.12", "node:20"}
    (here / "images").write_text("python:3.12\ndebian:12\n")
    rows = done(command, "template", "create", "--from-file", "images", "--prefix", "x-").splitlines()
    assert [row.split("\t")[-1] for row in rows] == ["built before", "built"]
    (here / "novita-templates.json").write_text("{}")
    assert command("template", "create", "--from-file", "images")[:2] == (1, "")
    (here / "images").write_text("a:1\na-1\n")
    assert command("template", "create", "--from-file", "images", "--no-manifest")[:2] == (2, "")


def test_code_that_a_dockerfile_has_become_builds_the_same(command: Command, here: pathlib.Path) -> None:
    (here / "note").write_text("note")
    done(command, "template", "init")
    assert command("template", "init")[0] == 1  # it is there
    (here / "novita.Dockerfile").write_text(DOCKERFILE.replace('CMD ["sleep", "100"]\n', ""))
    (here / "novita.toml").write_text('template_name = "moved"\n')
    done(command, "template", "migrate", "-l", "python-async")
    built = subprocess.run([sys.executable, "build.py"], capture_output=True, text=True, check=True)
    assert made_of(command, built.stdout.split()[-1]) == "me's note"
    assert command("template", "migrate", "-l", "python-sync")[0] == 1  # it would write over them
    done(command, "template", "migrate", "-l", "typescript")
    assert '  .copy("note", "/home/user/a note", { mode: 0o644 })\n' in (here / "template.ts").read_text()
    for name in ("template.py", "build.py"):
        (here / name).unlink()
    done(command, "template", "migrate", "-l", "python-sync")
    compile((here / "build.py").read_text(), "build.py", "exec")
    assert '    .copy("note", "/home/user/a note", mode=0o644)\n' in (here / "template.py").read_text()


def test_what_cannot_be_is_said_before_anything_is_built(command: Command, here: pathlib.Path, cloud: Cloud) -> None:
    (here / "Dockerfile").write_text("FROM python:3.12\n")
    (here / "wrong.toml").write_text("cpu_count = 'two'\n")
    (here / "broken.toml").write_text("cpu_count\n")
    wrong = {
        ("create",): (2, "name"),
        ("create", "x", "--from-file", "images"): (2, "--from-file"),
        ("create", "--from-file", "nowhere"): (2, "nowhere"),
        ("create", "x", "--cmd", "y"): (2, "--ready-cmd"),
        ("create", "x", "--memory-mb", "1023"): (2, "even"),
        ("create", "x", "--image", "a", "--template-id", "b"): (2, "--template"),
        ("build",): (2, "novita.toml"),
        ("build", "x", "--name", "y"): (2, "one name"),
        ("build", "x", "--build-arg", "NONE=1"): (2, "NONE"),
        ("build", "x", "--config", "nowhere.toml"): (2, "nowhere.toml"),
        ("build", "x", "--config", "wrong.toml"): (1, "cpu_count"),
        ("build", "x", "--config", "broken.toml"): (1, "broken.toml"),
        ("build", "x", "--path", "nowhere"): (2, "nowhere"),
        ("publish", "x", "--select"): (2, "--select"),
        ("migrate", "-l", "python-sync", "-d", "nowhere"): (2, "nowhere"),
    }
    for args, (code, words) in wrong.items():
        found, output, errors = command("template", *args)
        assert (found, output) == (code, ""), (args, errors)
        assert words in errors, args
        assert errors.count("\n") == 1, args
    assert not [request for request in cloud.simulator.requests if request.path.startswith("/v3/templates")]
