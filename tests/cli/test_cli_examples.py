"""Every command that docs/cli.md and the README show does what is said of it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]
#: What ends in another way here, and why.
ENDS = {
    "sandbox connect": 2,  # there is no terminal
    "auth configure": 1,  # the simulator does not show the key of a team
}


def shown(page: str) -> list[str]:
    """The commands that a page shows, whole lines of its shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text("utf-8"), re.S)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("novita-async ")]


class Place:
    """A directory with what the examples read, and the ids of what they make."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.ids = {"ID": "", "SNAPSHOT": "", "VOLUME": ""}

    def run(self, line: str) -> tuple[int, str, str]:
        """Run a line of a shell: a command of ours, whose input or output may be a file or another program."""
        words = shlex.split(line, comments=True)
        cuts = [number for number, word in enumerate(words) if word in ("<", ">", "|")]
        if "ID" in words and not self.ids["ID"]:
            self.ids["ID"] = self._command("sandbox", "create", "--timeout", "1h")[1].strip()
        words = [self.ids.get(word) or word for word in words[1 : cuts[0] if cuts else None]]
        if "--follow" in words:
            threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
        source = shlex.split(line)[-1] if "<" in line else os.devnull
        before = os.dup(0)
        try:
            with open(source) as file:
                os.dup2(file.fileno(), 0)
            code, output, errors = self._command(*words)
        finally:
            os.dup2(before, 0)
            os.close(before)
        for made, name in (("snapshot create", "SNAPSHOT"), ("volume create", "VOLUME")):
            if made in line:
                self.ids[name] = output.strip()
        if "sandbox kill" in line:
            self.ids["ID"] = ""
        if "sandbox create" in line:
            self._command("sandbox", "kill", output.strip())  # a volume is in one sandbox at a time
        return code, output, errors


@pytest.fixture
def place(command: Command, cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    key = cloud.environment["NOVITA_API_KEY"]
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text("FROM python:3.12\nARG VERSION=1\n")
    (tmp_path / "images.txt").write_text("python:3.12\nnode:20  # the older one\n")
    (tmp_path / "notes.txt").write_text("one\ntwo\n")
    (tmp_path / "key.txt").write_text(f"{key}\n")
    monkeypatch.chdir(tmp_path)
    for name, value in (("WORK_KEY", key), ("GITHUB_TOKEN", "x"), ("XDG_CONFIG_HOME", str(tmp_path / "config"))):
        monkeypatch.setenv(name, value)
    return Place(command)


def test_the_commands_of_the_page_do_what_they_say(place: Place) -> None:
    lines = shown("docs/cli.md")
    assert len(lines) > 50
    # What an example is about is made by another, which stands further down.
    first = ("volume create", "secret create", "template create web")
    early = [line for line in lines if any(words in line for words in first)]
    late = [line for line in lines if "delete" in line and "sandbox events" not in line]
    for line in [*early, *(line for line in lines if line not in early + late), *late]:
        code, output, errors = place.run(line)
        expected = next((code for words, code in ENDS.items() if words in line), 130 if "--follow" in line else 0)
        if line == "novita-async auth login":
            expected = 2  # there is nobody to ask
        assert code == expected, (line, output, errors)
        assert "Traceback" not in errors
        if "wc -l" in line:
            assert output == "2\n"
    assert "VERSION" in (Path("app") / "template.py").read_text()


def test_the_page_shows_every_command(command: Command) -> None:
    page = " ".join(shown("docs/cli.md"))
    for group in ("auth", "sandbox", "template", "snapshot", "volume", "secret"):
        listed = re.findall(r"^\W+([a-z-]+)(?: \(.*?)?  ", command(group, "--help")[1].partition("Commands")[2], re.M)
        assert len(listed) > 2
        for name in {*listed} - {"commit", "snapshot"}:  # the first is told of; the second is `snapshot create`
            assert f"novita-async {group} {name}" in page, (group, name)


def test_the_readmes_way_to_a_novita_of_your_own_works_in_a_shell(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
    (block,) = (block for block in blocks if "novita-async simulator" in block)
    program = tmp_path / "novita-async"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m novita_async "$@"\n')
    program.chmod(0o755)
    after = 'kill $!; wait $!; echo "ended $?, $NOVITA_API_KEY at $NOVITA_BASE_URL"'
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-c", block + after], capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=20
    )
    assert re.fullmatch(r"ended 0, sk_\S+ at http://127.0.0.1:\d+\n", done.stdout), done.stderr
