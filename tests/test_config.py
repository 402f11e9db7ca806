"""Settings: arguments, then the environment, then a profile; and what cannot work is said at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from novita_async import AsyncNovita, Limits, RetryPolicy, Timeouts
from novita_async.config import load_settings
from novita_async.errors import ConfigError

if TYPE_CHECKING:
    import pathlib

KEY = "sk_a_secret_key"


@pytest.fixture
def profile(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A profile file where it is looked for."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "novita-async" / "config.toml"
    path.parent.mkdir()
    path.write_text(
        '[default]\napi_key = "sk_from_default"\nbase_url = "https://default.example"\n'
        '[other]\napi_key = "sk_from_other"\n[bad]\nkey = "x"\n'
    )
    return path


def test_arguments_win_over_the_environment_and_that_over_the_profile(
    profile: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    assert load_settings().api_key == "sk_from_default"
    monkeypatch.setenv("NOVITA_PROFILE", "other")
    assert load_settings().api_key == "sk_from_other"
    assert load_settings(profile="default").api_key == "sk_from_default"
    monkeypatch.setenv("NOVITA_API_KEY", "sk_from_environment")
    assert load_settings().api_key == "sk_from_environment"
    assert load_settings(api_key="sk_from_argument").api_key == "sk_from_argument"


def test_defaults_are_the_platforms():
    settings = load_settings()
    assert settings.api_key is None
    assert settings.base_url == "https://api.novita.ai"
    assert settings.llm_base_url == "https://api.novita.ai/openai/v1"
    assert settings.api_url == "https://api.us-phx-1.sandbox.novita.ai"
    assert settings.sandbox_url == ""


@pytest.mark.parametrize(
    ("variable", "attribute"),
    [
        ("NOVITA_BASE_URL", "base_url"),
        ("NOVITA_LLM_BASE_URL", "llm_base_url"),
        ("NOVITA_API_URL", "api_url"),
        ("NOVITA_SANDBOX_URL", "sandbox_url"),
        ("NOVITA_ENDPOINT_BASE_URL", "endpoint_base_url"),
        ("NOVITA_ASSETS_URL", "assets_url"),
        ("NOVITA_PROJECTS_URL", "projects_url"),
    ],
)
def test_each_address_has_its_variable(variable: str, attribute: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, "http://localhost:8080/x/")
    assert getattr(load_settings(), attribute) == "http://localhost:8080/x"


def test_the_llm_side_follows_the_base_url_and_the_sandbox_side_the_domain(monkeypatch: pytest.MonkeyPatch):
    settings = load_settings(base_url="http://localhost:1", domain="sbx.example")
    assert settings.llm_base_url == "http://localhost:1/openai/v1"
    assert settings.api_url == "https://api.sbx.example"


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOVITA_API_KEY", "")
    monkeypatch.setenv("NOVITA_BASE_URL", "")
    assert load_settings().api_key is None
    assert load_settings().base_url == "https://api.novita.ai"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"api_key": ""}, "API key from api_key="),
        ({"api_key": f"{KEY}\n"}, "line end"),
        ({"api_key": f"{KEY} x"}, "white space"),
        ({"api_key": "schlüssel"}, "outside ASCII"),
        ({"api_key": 7}, "must be text"),
        ({"base_url": "api.novita.ai"}, "must begin with http:// or https://"),
        ({"base_url": "ftp://api.novita.ai"}, "must begin with http:// or https://"),
        ({"base_url": "https://"}, "must begin with http:// or https://"),
        ({"llm_base_url": "https://x.example/?a=1"}, "without user, query or fragment"),
        ({"api_url": "https://me@x.example"}, "without user, query or fragment"),
        ({"sandbox_url": "localhost:3000"}, "sandbox_url"),
        ({"domain": "https://x.example"}, "must be a host name"),
        ({"profile": "nobody"}, "nobody"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(arguments: dict[str, str], words: str):
    with pytest.raises(ConfigError) as caught:
        AsyncNovita(**arguments)
    assert words in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_bad_variable_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOVITA_BASE_URL", "novita")
    with pytest.raises(ConfigError, match="NOVITA_BASE_URL"):
        AsyncNovita()
    monkeypatch.delenv("NOVITA_BASE_URL")
    monkeypatch.setenv("NOVITA_API_KEY", f"{KEY}\r\n")
    with pytest.raises(ConfigError, match="NOVITA_API_KEY") as caught:
        AsyncNovita()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Timeouts(total=-1), "total must be a positive number of seconds"),
        (lambda: Timeouts(idle=0), "idle"),
        (lambda: Timeouts(attempt=float("nan")), "attempt"),
        (lambda: Timeouts(connect=float("inf")), "connect"),
        (lambda: Timeouts(first_event=True), "first_event"),
        (lambda: Timeouts(total="5"), "total"),
        (lambda: Limits(requests=0), "requests must be at least 1"),
        (lambda: Limits(polls=0), "polls"),
        (lambda: Limits(poll_rate=0), "poll_rate"),
        (lambda: Limits(rpm=0), "rpm"),
        (lambda: Limits(rpm={"m": 0}), "rpm of m"),
        (lambda: Limits(keep_alive=-1), "keep_alive"),
        (lambda: RetryPolicy(attempts=0), "attempts"),
        (lambda: RetryPolicy(base=-1), "base"),
    ],
)
def test_numbers_that_cannot_be_limits_are_refused(make: object, words: str):
    with pytest.raises(ConfigError, match=words):
        make()  # type: ignore[operator]


def test_broken_profiles_say_what_is_wrong_with_them(profile: pathlib.Path):
    with pytest.raises(ConfigError, match=r"has no profile \[nobody\]; it has default, other, bad"):
        load_settings(profile="nobody")
    with pytest.raises(ConfigError, match="unknown keys: key"):
        load_settings(profile="bad")
    profile.write_text("[default\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_settings()
    profile.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings()
    profile.unlink()
    assert load_settings().api_key is None
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(profile="default")


def test_the_key_is_in_no_repr():
    client = AsyncNovita(api_key=KEY)
    for thing in (client, client.settings, client.chat.completions, client.tasks):
        assert KEY not in repr(thing)
