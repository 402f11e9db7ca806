"""The other commands for sandboxes: life, what is told of them, templates, volumes, secrets, snapshots."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.cli import observe

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _simulated(cloud: Cloud) -> None: ...


def done(command: Command, *args: str) -> str:
    """The output of a command that does well."""
    code, output, errors = command(*args)
    assert (code, errors) == (0, ""), (args, errors)
    return output


def data(command: Command, *args: str) -> Any:
    return json.loads(done(command, *args, "-o", "json"))


@pytest.fixture
def sandbox(command: Command) -> str:
    return done(command, "sandbox", "create", "--timeout", "600").strip()


def test_a_sandbox_is_paused_and_resumed_with_what_it_holds(command: Command, sandbox: str) -> None:
    done(command, "sandbox", "exec", sandbox, "--", "echo kept > note")
    assert done(command, "sandbox", "pause", sandbox) == f"paused {sandbox}\n"
    assert data(command, "sandbox", "list") == []
    (paused,) = data(command, "sandbox", "list", "-s", "running,paused")
    assert (paused["sandboxID"], paused["state"]) == (sandbox, "paused")
    assert done(command, "sandbox", "resume", sandbox, "-t", "900") == f"resumed {sandbox}\n"
    assert done(command, "sandbox", "exec", sandbox, "--", "cat", "note") == "kept\n"


def test_clones_and_snapshots_have_its_files(command: Command, sandbox: str) -> None:
    done(command, "sandbox", "exec", sandbox, "--", "echo mine > note")
    clones = [entry["sandboxID"] for entry in data(command, "sandbox", "clone", sandbox, "--count", "2")]
    assert len({*clones, sandbox}) == 3
    snapshot = done(command, "sandbox", "snapshot", sandbox).strip()
    assert [entry["snapshotID"] for entry in data(command, "snapshot", "list", "--sandbox-id", sandbox)] == [snapshot]
    again = done(command, "sandbox", "create", "--snapshot", snapshot).strip()
    for id_ in (clones[0], again):
        assert done(command, "sandbox", "exec", id_, "--", "cat note") == "mine\n"
    assert command("snapshot", "delete", snapshot)[0] == 2  # there is nobody to ask
    assert done(command, "snapshot", "rm", snapshot, "-y") == f"deleted {snapshot}\n"
    assert command("snapshot", "rm", snapshot, "-y") == (1, "", f"novita-async: {snapshot}: not found\n")


def test_the_options_of_create_reach_the_platform(command: Command) -> None:
    options = "--no-internet --on-timeout pause --auto-resume --long-running --idle-timeout 60 --allow-out 1.1.1.1"
    id_ = done(command, "sandbox", "create", *options.split(), "-m", "a=b=c", "-e", "X=1=2").strip()
    info = data(command, "sandbox", "info", id_)
    assert info["metadata"] == {"a": "b=c", "long_running": "true", "idle_timeout": "60"}
    assert info["lifecycle"] == {"onTimeout": "pause", "autoResume": True}
    assert info["allowInternetAccess"] is False
    assert info["network"]["allowOut"] == ["1.1.1.1"]
    assert done(command, "sandbox", "exec", id_, "--", "echo $X") == "1=2\n"
    done(command, "sandbox", "network", id_, "--deny-out", "10.0.0.0/8")
    assert data(command, "sandbox", "info", id_)["network"]["denyOut"] == ["10.0.0.0/8"]


def test_what_happened_is_told(command: Command, sandbox: str) -> None:
    done(command, "sandbox", "pause", sandbox)
    names = [event["eventName"] for event in data(command, "sandbox", "events", sandbox, "--order-asc")]
    assert names[:2] == ["create", "pause"]
    events = done(command, "sandbox", "events", "--events", "pause", "--limit", "1")
    assert events.split("\t")[1:4] == [sandbox, "pause", "success"]
    assert data(command, "sandbox", "events", "--end-time", "2020-01-01T00:00:00Z") == []
    assert any("pause" in entry["message"] for entry in data(command, "sandbox", "logs", sandbox))
    code, output, errors = command("sandbox", "events", "--start-time", "yesterday")
    assert (code, output) == (2, "")
    assert "--start-time" in errors


def test_metrics_are_followed_until_the_sandbox_ends(
    command: Command, cloud: Cloud, sandbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first, *_) = data(command, "sandbox", "metrics", sandbox)
    assert first["memTotal"] > 0
    monkeypatch.setattr(observe, "_EVERY", 0.05)
    seen = threading.Event()

    def end() -> None:
        while sum(request.path.endswith("/metrics") for request in cloud.simulator.requests) < 4:
            seen.wait(0.02)
        cloud.kill(sandbox)

    killer = threading.Thread(target=end)
    killer.start()
    code, output, errors = command("sandbox", "metrics", sandbox, "--follow", "-o", "json")
    killer.join()
    assert (code, errors) == (0, "")
    samples = [json.loads(line) for line in output.splitlines()]
    assert samples[0]["cpuCount"] == first["cpuCount"]
    times = [sample["timestamp"] for sample in samples]
    assert times == sorted(set(times))  # none twice


def test_volumes(command: Command, sandbox: str) -> None:
    volume = done(command, "volume", "create", "data", "--quota-size", "2").strip()
    done(command, "volume", "mount", sandbox, "-n", "data", "-p", "/data")
    assert "volumes\tdata at /data\n" in done(command, "sandbox", "info", sandbox)
    done(command, "volume", "unmount", sandbox, "-p", "/data")
    assert "volumes\t\n" in done(command, "sandbox", "info", sandbox)
    other = done(command, "sandbox", "create", "--volume-mount", "/mnt=data").strip()
    assert data(command, "sandbox", "info", other)["volumeMounts"] == [{"name": "data", "path": "/mnt"}]
    (listed,) = data(command, "volume", "list")
    assert (listed["volumeID"], listed["name"], listed["quotaSizeGiB"]) == (volume, "data", 2)
    assert "token" not in data(command, "volume", "info", volume)
    assert done(command, "volume", "list", "-l", "5", "--page", "2") == ""
    done(command, "sandbox", "kill", other)
    code, output, errors = command("volume", "delete", volume)
    assert (code, output) == (2, "")
    assert errors.startswith(f"novita-async: delete volume {volume}?")
    assert done(command, "volume", "delete", volume, "-y") == f"deleted {volume}\n"


def test_secrets(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "env-value")
    host = ("--host", "api.example.com")
    done(command, "secret", "create", "one", *host, "--from-env", "TOKEN", "--description", "for tests")
    assert done(command, "secret", "list").split("\t")[:2] == ["one", "api.example.com"]
    reading, writing = os.pipe()
    os.write(writing, b"piped\n")
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert "piped" not in done(command, "secret", "update", "one", *host, "--from-stdin", "-o", "json")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(reading)
    assert data(command, "secret", "get", "one")["hosts"] == ["api.example.com"]
    for wrong in ([], ["--from-env", "NOT_THERE"], ["--from-value", "a", "--from-stdin"]):
        assert command("secret", "create", "two", *host, *wrong)[0] == 2
    assert command("secret", "create", "one", *host, "--from-value", "x")[0] == 1  # it is there
    assert done(command, "secret", "delete", "one", "-y") == "deleted one\n"


def test_templates(command: Command, tmp_path: pathlib.Path) -> None:
    (tmp_path / "note").write_text("copied")
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\nCOPY note /home/user/note\nRUN echo built\n")
    code, output, errors = command("template", "create", "mine", "--path", str(tmp_path))
    assert code == 0
    assert "RUN echo built" in errors
    id_ = output.strip()
    (listed,) = data(command, "template", "list")
    assert (listed["templateID"], listed["buildStatus"]) == (id_, "ready")
    sandbox = done(command, "sandbox", "create", "mine").strip()
    assert done(command, "sandbox", "exec", sandbox, "--", "cat note") == "copied"
    assert done(command, "template", "publish", "mine", "-y") == "published mine\n"
    assert data(command, "template", "list")[0]["public"] is True
    (tmp_path / "Dockerfile").write_text("FROM python:3.12\nRUN echo why >&2; exit 4\n")
    code, output, errors = command("template", "build", "mine", "--path", str(tmp_path))
    assert (code, output) == (1, "")
    assert errors.splitlines()[-1].startswith("novita-async: ")
    assert done(command, "template", "delete", "mine", "-y") == "deleted mine\n"
    for wrong in (["--image", "a", "--template-id", "b"], ["--from", "image"], ["--path", str(tmp_path / "no")]):
        code, output, errors = command("template", "create", "x", *wrong)
        assert (code, output) == (2, ""), wrong
        assert errors.count("\n") == 1
