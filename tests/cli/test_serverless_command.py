"""`novita-async serverless`: endpoints and their jobs, from the command line."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]

WANTED = ("--product", "4090.16c62g.os", "--port", "8000", "--queue-length", "2")


@pytest.fixture(autouse=True)
def _simulated(cloud: Cloud) -> None: ...


def done(command: Command, *args: str) -> str:
    """The output of a command that does well."""
    code, output, errors = command("serverless", *args)
    assert (code, errors) == (0, ""), (args, errors)
    return output


def data(command: Command, *args: str) -> Any:
    return json.loads(done(command, *args, "-o", "json"))


def test_an_endpoint_is_made_changed_and_deleted(command: Command) -> None:
    limits = done(command, "limits").splitlines()
    assert limits[0] == "workers\t0 to 10"
    assert data(command, "limits")["maxGPUNum"] == 8
    more = ["--name", "mine", "-e", "A=1=2", "--volume", "/w", "--volume", "/d=st-1", "--cluster-id", "us-01"]
    id_ = done(command, "create", "any/app:1", *WANTED, *more, "--app-name", "mine-1", "--wait").strip()
    told = data(command, "get", id_)
    assert (told["name"], told["appName"], told["state"]["state"]) == ("mine", "mine-1", "serving")
    assert told["envs"] == [{"key": "A", "value": "1=2"}]
    assert [(each["type"], each["id"], each["mountPath"]) for each in told["volumeMounts"]] == [
        ("local", "", "/w"),
        ("network", "st-1", "/d"),
    ]
    fields = dict(line.split("\t") for line in done(command, "info", id_).splitlines())
    assert (fields["state"], fields["workers"], fields["policy"]) == (
        "serving",
        "0 of 1",
        "ConcurrencyPolicy(requests=2)",
    )
    assert done(command, "update", id_, "--queue-wait", "9", "--max-workers", "3") == f"changed {id_}\n"
    assert done(command, "list").splitlines() == [
        f"{id_}\tmine\tserving\t0 of 3\tany/app:1",
        "echo\techo\tserving\t0 of 10\techo",
    ]
    assert [each["id"] for each in data(command, "list", "--limit", "1", "--page", "2")] == ["echo"]
    assert data(command, "create", "other", *WANTED).keys() == {"id"}
    assert command("serverless", "delete", id_)[0] == 2  # there is nobody to ask
    assert done(command, "rm", id_, "-y") == f"deleted {id_}\n"
    assert command("serverless", "rm", id_, "-y") == (1, "", f"novita-async: {id_}: not found\n")


def test_a_job_is_run_and_its_output_printed(command: Command) -> None:
    code, output, errors = command("serverless", "run", "echo", '{"a": [1], "token": "kept"}')
    assert (code, json.loads(output)) == (0, {"a": [1], "token": "kept"})
    job_id = errors.removeprefix("novita-async: job ").strip()
    told = data(command, "status", "echo", job_id)
    assert (told["id"], told["status"], told["output"]["token"]) == (job_id, "COMPLETED", "kept")
    assert done(command, "status", "echo", job_id).splitlines()[1] == "status\tCOMPLETED"
    code, output, errors = command("serverless", "run", "echo", "{")
    assert (code, output) == (2, "")
    assert "not JSON" in errors
    code, output, errors = command("serverless", "run", "echo", '{"sleep": 60}', "--timeout", "0.3")
    assert (code, output) == (1, "")
    assert "not finished within 0.3 s" in errors


def test_jobs_are_cancelled_and_queues_told_and_emptied(command: Command) -> None:
    jobs = [done(command, "run", "echo", '{"sleep": 600}', "--detach").strip() for _ in range(2)]
    health = data(command, "health", "echo")
    assert (health["jobs"]["in_progress"], health["workers"]["running"]) == (2, 1)
    assert done(command, "health", "echo").startswith("jobs\tpending=0, in_progress=2")
    assert done(command, "cancel", "echo", *jobs) == "".join(f"cancelled {job}\n" for job in jobs)
    assert data(command, "status", "echo", jobs[0])["status"] == "CANCELLED"
    assert command("serverless", "cancel", "echo", "nothing") == (1, "", "novita-async: nothing: not found\n")
    assert command("serverless", "purge", "echo")[0] == 2
    assert data(command, "purge", "echo", "-y") == {"removed": 0}


def test_a_jobs_input_may_come_through_a_pipe(command: Command) -> None:
    before = os.dup(0)
    end, other = os.pipe()
    try:
        os.write(other, b'{"by": "pipe"}\n')
        os.close(other)
        os.dup2(end, 0)
        code, output, _ = command("serverless", "run", "echo", "-o", "yaml")
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(end)
    assert (code, output) == (0, "by: pipe\n")


def test_what_cannot_be_is_refused(command: Command) -> None:
    for args, told in {
        ("create", "app"): "--product, --port, --queue-wait or --queue-length",
        ("create", "app", *WANTED, "--queue-wait", "3"): "one policy",
        ("create", "app", *WANTED, "--gpu-num", "9"): "gpu_num",
        ("update", "echo"): "what is to be changed",
        ("cancel", "echo"): "name the jobs",
        ("delete",): "name the endpoints",
    }.items():
        code, output, errors = command("serverless", *args)
        assert (code, output) == (2, "")
        assert told in errors
