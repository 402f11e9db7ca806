from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sandbox_room import Judged

pytestmark = pytest.mark.parametrize("room", ["any"], indirect=True)

SECRET: dict[str, Any] = {"name": "api-token", "value": "s3cr3t-value", "hosts": ["api.example.com", "*.example.org"]}


async def test_a_secret_is_kept_told_replaced_and_deleted_without_its_value(judged: Judged) -> None:
    made = await judged("POST", "/secrets", {**SECRET, "description": "for tests"}, status=201)
    assert made["hosts"] == SECRET["hosts"]
    assert (made["description"], made["hasSecret"]) == ("for tests", True)
    assert re.fullmatch(r"novita_secret_[0-9a-f]{32}", made["placeholder"])
    assert await judged("GET", "/secrets/api-token") == made
    assert await judged("GET", "/secrets") == {"secrets": [made]}
    await judged.room.clock.advance(60)
    changed = await judged("PUT", "/secrets/api-token", {"value": "other", "hosts": ["b.example.com"]})
    assert changed["placeholder"] == made["placeholder"]
    assert changed["hosts"] == ["b.example.com"]
    assert changed["updatedAt"] > made["updatedAt"]
    assert await judged("DELETE", "/secrets/api-token") == {"deleted": "api-token"}
    for method in ("GET", "DELETE"):
        await judged(method, "/secrets/api-token", status=404)
    await judged("PUT", "/secrets/api-token", {"value": "v", "hosts": ["a.com"]}, status=404)


async def test_a_value_is_nowhere_to_be_had(judged: Judged) -> None:
    await judged("POST", "/secrets", SECRET, status=201)
    box = await judged.room.create(secrets={"TOKEN": "api-token"}, envVars={"A": "1"})
    placeholder = (await judged("GET", "/secrets/api-token"))["placeholder"]
    assert (await box.run("echo $A $TOKEN")).stdout == f"1 {placeholder}\n"
    assert (await box.http("GET", "/envs")).json() == {"A": "1", "TOKEN": placeholder}
    for url in ("/secrets", "/secrets/api-token", f"/sandboxes/{box.id}", f"/v2/sandboxes/{box.id}/logs"):
        assert SECRET["value"].encode() not in (await judged.room("GET", url)).body


async def test_a_secret_that_cannot_be_is_refused(judged: Judged) -> None:
    await judged("POST", "/secrets", SECRET, status=201)
    await judged("POST", "/secrets", SECRET, status=409)
    for wrong in (
        {"name": ""}, {"name": "-a"}, {"value": ""}, {"hosts": []}, {"hosts": ["https://a.com"]},
        {"hosts": ["a.com:1"]}, {"hosts": ["a.com/x"]}, {"hosts": ["A.com"]}, {"hosts": ["*"]},
    ):  # fmt: skip
        await judged("POST", "/secrets", {**SECRET, "name": "other", **wrong}, status=400)
    await judged("POST", "/sandboxes", {"templateID": "base", "secrets": {"T": "nobody"}}, status=400)
