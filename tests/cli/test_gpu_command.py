"""`novita-async gpu`: machines from create to delete, from the command line."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from novita_async.simulator import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]

PRODUCT = "4090.16c62g.os"


@pytest.fixture(autouse=True)
def _simulated(cloud: Cloud) -> None: ...


def done(command: Command, *args: str) -> str:
    """The output of a command that does well."""
    code, output, errors = command("gpu", *args)
    assert (code, errors) == (0, ""), (args, errors)
    return output


def data(command: Command, *args: str) -> Any:
    return json.loads(done(command, *args, "-o", "json"))


def test_an_instance_is_made_used_and_deleted(command: Command) -> None:
    more = ["--name", "mine", "-e", "A=1", "--port", "80/http,22/tcp", "--jupyter", "--command", "sleep 600"]
    id_ = done(command, "create", "h200.24c200g.sxm", PRODUCT, "--image", "ubuntu", *more, "--wait").strip()
    told = data(command, "get", id_)
    assert (told["status"], told["name"], told["productId"]) == ("running", "mine", PRODUCT)
    assert told["envs"] == [{"key": "A", "value": "1"}]
    assert "password" not in told["connectComponentSSH"]
    fields = dict(line.split("\t", 1) for line in done(command, "info", id_).splitlines())
    assert (fields["status"], fields["cards"], fields["disk"]) == ("running", "1", "60")
    assert (fields["$/h now"], fields["$ so far"][:5]) == ("0.35", "0.000")
    assert fields["ports"].startswith(f"80/http https://{id_}-80.")
    code, login, password = command("gpu", "ssh", id_)
    assert (code, login.startswith("ssh -p "), password.split()[-2]) == (0, True, "password")
    used = done(command, "metrics", id_).splitlines()
    assert [line.split("\t")[0] for line in used] == ["cpu", "memory", "disk", "gpu", "gpu memory", "at"]
    assert len(data(command, "metrics", id_)["cpuUtilization"]) == 5
    assert done(command, "stop", id_, "--wait") == f"stopped {id_}\n"
    assert [line.split("\t")[:3] for line in done(command, "list").splitlines()] == [[id_, "mine", "exited"]]
    assert data(command, "list", "--status", "running") == []
    code, _, errors = command("gpu", "ssh", id_)
    assert (code, "does it run?" in errors) == (1, True)
    assert done(command, "start", id_, "--wait") == f"started {id_}\n"
    assert done(command, "restart", id_) == f"restarted {id_}\n"
    assert done(command, "delete", id_, "--yes") == f"deleted {id_}\n"


def test_the_cheapest_card_that_can_be_had_is_ordered_and_followed(command: Command) -> None:
    more = ["--image", "ubuntu", "--count", "2", "--region", "singapore", "--name"]
    ids = [done(command, "create", "--gpu", "rtx", "--max-price", "1", *more, name).strip() for name in "ab"]
    lines = [line.split("\t") for line in done(command, "watch", *ids, "--every", "20ms").splitlines()]
    for id_, name in zip(ids, "ab", strict=True):
        seen = [status for watched, *what, status, problem in lines if (watched, what, problem) == (id_, [name], "")]
        assert seen[-1] == "running"
        assert seen == sorted(set(seen), key=["toCreate", "creating", "pulling", "running"].index)
    told = data(command, "get", ids[0])
    assert (told["gpuNum"], told["clusterId"]) == ("2", "as-03")
    assert done(command, "stop", *ids, "--wait") == f"stopped {ids[0]}\nstopped {ids[1]}\n"
    assert {line.split("\t")[2] for line in done(command, "watch").splitlines()} == {"exited"}
    assert [each["id"] for each in map(json.loads, done(command, "watch", ids[1], "-o", "json").splitlines())] == ids[
        1:
    ]


def test_an_instance_that_is_deleted_or_fails_is_followed_to_its_end(command: Command, cloud: Cloud) -> None:
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu").strip()
    done(command, "delete", id_, "--yes")
    assert done(command, "watch", id_, "--every", "20ms").splitlines()[-1].split("\t")[2] == "removed"
    cloud.simulator.fault("POST", "/gpu-instance/openapi/v1/gpu/instance/create", Outcome.failed("no such image"))
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu").strip()
    args = ["create", PRODUCT, "--image", "ubuntu", "--wait", "--timeout", "0.05"]
    code, output, errors = command("gpu", *args)
    assert (code, output) == (1, f"{errors.split()[1]}\n")
    assert "is billed until it is deleted" in errors
    done(command, "delete", output.strip(), "--yes")
    assert data(command, *args[:-2])["status"] == "running"
    code, output, errors = command("gpu", "watch", "--every", "20ms")
    assert (code, errors) == (1, "")
    assert [id_, "no such image"] in [line.split("\t")[::3] for line in output.splitlines()]


def test_logs_are_followed(command: Command) -> None:
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu", "--command", "train", "--wait").strip()
    for more, line in (((), "$ train"), (("--system",), "the container runs")):
        threading.Timer(0.4, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
        code, lines, errors = command("gpu", "logs", id_, "--follow", *more)
        assert (code, errors) == (130, "")
        assert any(each.endswith(line) for each in lines.splitlines())
    assert command("gpu", "logs", "none")[0] == 1


def test_the_program_ssh_logs_in(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu", "--port", "22/tcp", "--wait").strip()
    code, login, password = command("gpu", "ssh", id_, "--print")
    assert (code, login[:7], password[:23]) == (0, "ssh -p ", "novita-async: password ")
    assert command("gpu", "ssh", id_) == (0, login, password)  # there is no terminal
    assert command("gpu", "ssh", id_, "--print", "--", "ls", "a b") == (0, f"{login.strip()} ls 'a b'\n", password)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("gpu", "ssh", id_, "--", "ls")[0] == 1
    program = tmp_path / "ssh"
    program.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\nexit 7\n')
    program.chmod(0o755)
    words = [*login.split()[1:], "ls", "-l", "a b"]
    assert command("gpu", "ssh", id_, "--", "ls", "-l", "a b") == (7, "".join(f"{word}\n" for word in words), password)
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    threading.Timer(0.3, signal.pthread_kill, (threading.get_ident(), signal.SIGINT)).start()
    assert command("gpu", "ssh", id_, "--", "ls")[0] == 130


def test_what_can_be_had_is_listed_by_its_price(command: Command) -> None:
    found = [line.split("\t") for line in done(command, "products", "--region", "us-01").splitlines()]
    assert [row[0] for row in found[:2]] == [PRODUCT, "5090.12c64g.os"]
    assert found[0][2:4] == ["0.35", "0.18"]
    spot = done(command, "products", "RTX", "--count", "4", "--billing", "spot", "--max-price", "0.50")
    assert [line.split("\t")[0] for line in spot.splitlines()] == ["3090.16c60g.os"]
    assert "h200.24c200g.sxm" in [each["id"] for each in data(command, "products", "--all")]
    assert [each["cpuNum"] for each in data(command, "products", "--cpu")] == [4, 16]


def test_what_does_not_work_says_so(command: Command) -> None:
    for args, code, words in (
        (("create", "--image", "ubuntu"), 2, "name a product"),
        (("create", PRODUCT, "--image", "ubuntu", "--gpu-num", "9"), 2, "gpu_num must be 1 to 8"),
        (("create", "h200.24c200g.sxm", "--image", "ubuntu"), 1, "out of stock"),
        (("create", PRODUCT, "--image", "ubuntu", "--storage", "x"), 2, "--storage takes ID=PATH"),
        (("get", "none"), 1, "does not exist"),
        (("start",), 2, "name the instances to start"),
        (("create", PRODUCT, "--gpu", "4090", "--image", "ubuntu"), 2, "name a product"),
        (("create", PRODUCT, "--max-price", "1", "--image", "ubuntu"), 2, "goes with --gpu"),
        (("create", "--gpu", "4090", "--max-price", "0.01", "--image", "ubuntu"), 1, "no 4090 can be had"),
        (("create", PRODUCT, "--image", "ubuntu", "--region", "mars"), 2, "no region is called 'mars'; there are us"),
        (("create", PRODUCT, "--image", "ubuntu", "--region", "-0"), 2, "several regions are called '-0'"),
        (("watch", "--spot"), 2, "no instance to watch"),
        (("ssh", "none", "ls", "-l"), 2, "gpu ssh ID -- ls -l"),
        (("watch", "--after", "restart"), 2, "goes with --spot"),
        (("watch", "none"), 1, "does not exist"),
        (("delete", "none", "--yes"), 1, "none"),
    ):
        done, _, errors = command("gpu", *args)
        assert (done, words in errors) == (code, True), (args, done, errors)


def test_spot_instances_are_watched_to_their_end(command: Command, cloud: Cloud) -> None:
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu", "--billing", "spot", "--wait").strip()
    cloud.reclaim(id_, 0.5)
    told = [line.split("\t") for line in done(command, "watch", id_, "--spot", "--every", "50ms").splitlines()]
    assert [row[:2] for row in told if row[1] != "reclaiming"] == [[id_, "announced"], [id_, "reclaimed"]]
