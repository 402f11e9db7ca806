"""The benchmark runs and tells what it promises. Nothing here is timed: a machine under test says nothing of speed."""

from __future__ import annotations

import importlib.util

import msgspec
import pytest

from benchmarks.driver import QUICK, Setting, measure
from benchmarks.machine import facts
from benchmarks.report import build, render

TINY = msgspec.structs.replace(
    QUICK,
    seconds=0.05,
    chat=(Setting(concurrency=4),),
    stream=(Setting(concurrency=2),),
    command=(Setting(concurrency=2),),
)


def document(cases: tuple[str, ...], contestants: tuple[str, ...]) -> tuple[dict, str]:
    """What a run writes: the JSON read back, and the text."""
    runs = measure(cases, TINY, contestants=contestants)
    built = build(runs, date="today", quick=True, rounds=1, machine=facts(), missing={})
    return msgspec.json.decode(msgspec.json.encode(built)), render(built)


def test_import_chat_and_stream_give_rows_raw_rounds_and_judged_targets():
    built, text = document(("import", "chat", "stream"), ("raw", "novita"))

    rows = {(row["case"], row["contestant"]): row["figures"] for row in built["rows"]}
    assert set(rows) == {(case, who) for case in ("chat", "stream") for who in ("raw", "novita")} | {
        ("import", "novita")
    }
    for case in ("chat", "stream"):
        for who in ("raw", "novita"):
            assert rows[case, who]["per_second"]["median"] > 0
            assert rows[case, who]["cpu_us"]["median"] > 0
            assert rows[case, who]["peak_rss_mib"]["median"] > 1
    assert rows["import", "novita"]["modules"]["median"] > 10

    raw_rounds = [run for run in built["runs"] if run["case"] != "import"]
    assert len(raw_rounds) == 4
    assert [run["outcome"]["first_error"] for run in raw_rounds if run["outcome"]["errors"]] == []
    streamed = [run["outcome"]["done"] for run in raw_rounds if run["case"] == "stream"]
    assert all(done and done % TINY.chunks == 0 for done in streamed), "every stream came whole"

    verdicts = {target["name"]: target["verdict"] for target in built["targets"]}
    assert {"CPU a request, novita / raw, 4 at once", "CPU a chunk, novita / raw, 2 at once"} <= set(verdicts)
    assert set(verdicts.values()) <= {"pass", "FALLS SHORT"}
    assert all(name in text for name in verdicts)
    assert not any("openai" in name for name in verdicts), "nobody is judged by a peer who did not take part"
    assert built["machine"]["packages"]["novita-async"]


@pytest.mark.acceptance
@pytest.mark.skipif(importlib.util.find_spec("openai") is None, reason="the openai package is not installed")
def test_openai_takes_part_where_it_is_installed():
    built, _ = document(("chat",), ("novita", "openai"))

    targets = [target["name"] for target in built["targets"]]
    assert targets == ["requests a second, novita / openai, 4 at once"]
    assert [run["contestant"] for run in built["runs"]] == ["novita", "openai"]
    assert [run["outcome"]["first_error"] for run in built["runs"] if run["outcome"]["errors"]] == []


@pytest.mark.acceptance
@pytest.mark.skipif(
    importlib.util.find_spec("novita_sandbox") is None, reason="novita-sandbox, the official client, is not installed"
)
def test_sandboxes_give_rows_and_targets_for_everyone_who_can_use_them():
    built, text = document(("create", "command", "transfer"), ("raw", "novita", "novita-sandbox"))

    rows = {(row["case"], row["contestant"]): row["figures"] for row in built["rows"]}
    assert set(rows) == {
        (case, who) for case in ("create", "command", "transfer") for who in ("raw", "novita", "novita-sandbox")
    }
    assert [run["outcome"]["first_error"] for run in built["runs"] if run["outcome"]["errors"]] == []
    assert all(run["outcome"]["done"] for run in built["runs"])
    assert all(rows["create", who]["p50_ms"]["median"] > 1 for who in ("raw", "novita", "novita-sandbox"))
    targets = [target["name"] for target in built["targets"]]
    assert targets == [
        "ms until a sandbox is made, median",
        "CPU a command, novita / novita-sandbox, 2 at once",
        "MiB that memory grows by while a file is written",
        "MiB that memory grows by while a file is read",
    ]
    assert all(name in text for name in targets)
