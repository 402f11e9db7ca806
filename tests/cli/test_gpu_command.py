"""`novita-async gpu`: machines from create to delete, from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert done(command, "restart", id_, "--wait") == f"restarted {id_}\n"
    assert done(command, "delete", id_, "--yes") == f"deleted {id_}\n"


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
        (("watch",), 2, "no instance to watch"),
        (("delete", "none", "--yes"), 1, "none"),
    ):
        done, _, errors = command("gpu", *args)
        assert (done, words in errors) == (code, True), (args, done, errors)


def test_spot_instances_are_watched_to_their_end(command: Command, cloud: Cloud) -> None:
    id_ = done(command, "create", PRODUCT, "--image", "ubuntu", "--billing", "spot", "--wait").strip()
    cloud.simulator.gpu.reclaim(id_, notice=0.5)
    told = [line.split("\t") for line in done(command, "watch", id_, "--every", "50ms").splitlines()]
    assert [row[:2] for row in told if row[1] != "reclaiming"] == [[id_, "announced"], [id_, "reclaimed"]]
