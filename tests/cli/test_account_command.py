"""`novita-async account` and `novita-async search`: what the account has and used, and the web, from a command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
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


def test_the_account_is_told(command: Command, cloud: Cloud) -> None:
    cloud.simulator.ledger.use("llm", "a/model", 12_345, name="A Model", used=7, output=9)
    assert done(command, "account", "balance").splitlines()[0] == "available USD\t998.7655"
    assert data(command, "account", "balance")["availableBalance"] == "9987655"
    month, status, usd, *_ = done(command, "account", "bills").splitlines()[-1].split("\t")
    assert (status, usd) == ("pending", "1.2345")
    assert len(month) == 7
    row = done(command, "account", "usage", "--by", "hour", "--category", "llm").rstrip("\n").split("\t")
    assert row[1:] == ["llm", "7", "9", "1.2345", "", "A Model"]
    span = ("--start-time", "2026-01-01T00:00:00Z", "--by", "month")
    assert done(command, "account", "usage", *span, "--by-key").split("\t")[5] == "simulator"
    opened = done(command, "account", "transactions", "--type", "recharge").split("\t")
    assert opened[1:5] == ["recharge", "success", "1000.0000", "1000.0000"]
    members = done(command, "account", "budgets").splitlines()
    assert members[0].startswith("user-simulator\tUnlimited\t\t0.0000\t\tOwner")
    assert done(command, "account", "budgets", "user-simulator").startswith("key-simulator\tUnlimited")
    key = done(command, "account", "keys").splitlines()[0].split("\t")
    assert (key[0], key[3], key[4]) == ("key-simulator", "never", "all_enabled")
    assert done(command, "account", "quotas", "deepseek-v3.2", "--type", "RPM").split("\t")[1:3] == ["RPM", "6000"]


def test_the_web_is_searched_and_read(command: Command) -> None:
    lines = done(command, "search", "exa", "harbour tides", "-n", "2", "--text", "40").splitlines()
    assert len(lines) == 2
    day, url, title, text = lines[0].split("\t")
    assert len(day) == 10
    assert "harbour tides" in title.lower()
    assert len(text) <= 40
    assert len(data(command, "search", "exa", "harbour tides", "--include-domains", "a.org,b.org")["results"]) == 10
    found = done(command, "search", "tavily", "harbour tides", "-n", "3", "--with-answer").split("\n\n")
    assert len(found[-1].splitlines()) == 3
    assert data(command, "search", "tavily", "harbour tides", "--topic", "news")["results"][0]["published_date"]
    answer = done(command, "search", "answer", "Why are there tides?")
    assert "\n1. https://" in answer
    for reader in ("contents", "extract"):
        read = done(command, "search", reader, url)
        assert read.startswith(f"# {url}\n\n")
        assert text.rstrip() in read
        code, output, errors = command("search", reader, url, "https://a.org/missing")
        assert (code, output) == (1, read)
        assert errors.startswith("novita-async: https://a.org/missing: ")
    addresses = done(command, "search", "map", "https://a.org", "--limit", "4").splitlines()
    assert (len(addresses), addresses[0]) == (4, "https://a.org")
    pages = done(command, "search", "crawl", "https://a.org", "--limit", "4")
    assert [line[2:] for line in pages.splitlines() if line.startswith("# ")] == addresses


def test_what_cannot_be_is_refused(command: Command) -> None:
    for args, told in {
        ("account", "usage", "--start-time", "soon"): "--start-time takes Unix seconds",
        ("account", "usage", "--by-key"): "--by-key wants --start-time",
        ("search", "exa", "a", "-n", "101"): "num_results",
    }.items():
        code, output, errors = command(*args)
        assert (code, output) == (2, ""), args
        assert told in errors
