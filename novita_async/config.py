"""Settings: arguments first, then the environment, then a profile file. Frozen once made.

    argument            environment variable        default
    api_key             NOVITA_API_KEY              (required before the first call)
    base_url            NOVITA_BASE_URL             https://api.novita.ai
    llm_base_url        NOVITA_LLM_BASE_URL         {base_url}/openai/v1
    domain              NOVITA_DOMAIN               us-phx-1.sandbox.novita.ai
    api_url             NOVITA_API_URL              https://api.{domain}, the sandbox control plane
    sandbox_url         NOVITA_SANDBOX_URL          https://49983-{sandbox id}.{domain}, one for all when given
    endpoint_base_url   NOVITA_ENDPOINT_BASE_URL    https://async-public.serverless.novita.ai/v1
    assets_url          NOVITA_ASSETS_URL           https://assets.novitai.com, where files are left for media models
    projects_url        NOVITA_PROJECTS_URL         https://artifact.novita.ai/v1, which hosts sandboxes' projects
    profile             NOVITA_PROFILE              "default", a table of ~/.config/novita-async/config.toml

A profile is a TOML table whose keys are the argument names:

    [default]
    api_key = "sk_..."

    [staging]
    base_url = "https://staging.example.com"
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from .errors import ConfigError

__all__ = ["TIERS", "Limits", "RetryPolicy", "Settings", "Timeouts", "adjusted", "load_settings", "profile_file"]

_TEXTS = (
    *("api_key", "base_url", "llm_base_url", "api_url", "sandbox_url", "domain"),
    *("endpoint_base_url", "assets_url", "projects_url"),
)


#: The account's tiers, by what was topped up (contract/llm.md 4).
TIERS = ("T1", "T2", "T3", "T4", "T5")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds; None switches one off.

    Attributes:
        total: the whole call: attempts, the waits between them and the waits at the gate. What `timeout=` of a call
            sets. Off by default, because a call that waits for its turn is not a call that hangs.
        attempt: one attempt, from leaving the gate to the last byte of its answer (of a stream: to its headers).
        connect: making a connection.
        first_event: a stream, from its headers to its first event.
        idle: a stream, from one event to the next. Comments and keep-alive lines do not count.
    """

    total: float | None = None
    attempt: float | None = 600.0
    connect: float | None = 10.0
    first_event: float | None = 60.0
    idle: float | None = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            check_seconds(item.name, getattr(self, item.name))


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one client does at once.

    Attributes:
        requests: requests and streams in flight; more wait their turn, first come first served.
        polls: status reads in flight, of all waiting tasks together.
        poll_rate: status reads a second, of all waiting tasks together.
        rpm: requests a minute, one number for every model or one for each; None sends as fast as `requests` allows.
        tpm: tokens a minute of language models, likewise. A call counts with an estimate until it has told its usage.
        tier: "T1" to "T5", the account's: the platform's own numbers for every language model that `rpm` and `tpm` say
            nothing of.
        max_event_bytes: the largest single event of a stream.
        keep_alive: seconds an unused connection is kept.
    """

    requests: int = 1000
    polls: int = 32
    poll_rate: float = 500.0
    rpm: int | Mapping[str, int] | None = None
    tpm: int | Mapping[str, int] | None = None
    tier: str | None = None
    max_event_bytes: int = 16 * 1024 * 1024
    keep_alive: float = 30.0

    def __post_init__(self) -> None:
        counts = {"requests": self.requests, "polls": self.polls, "max_event_bytes": self.max_event_bytes}
        for kind, given in (("rpm", self.rpm), ("tpm", self.tpm)):
            each = given if isinstance(given, Mapping) else {} if given is None else {"every model": given}
            counts.update({f"{kind} of {name}": value for name, value in each.items()})
        for name, value in counts.items():
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value!r}")
        if self.tier is not None and self.tier not in TIERS:
            raise ConfigError(f"tier must be one of {', '.join(TIERS)}, got {self.tier!r}")
        check_seconds("keep_alive", self.keep_alive)
        if not self.poll_rate > 0:
            raise ConfigError(f"poll_rate must be above 0, got {self.poll_rate!r}")

    def rpm_of(self, model: str) -> int | None:
        """The requests a minute allowed for a model, None for no limit."""
        return self.rpm.get(model) if isinstance(self.rpm, Mapping) else self.rpm

    def tpm_of(self, model: str) -> int | None:
        """The tokens a minute allowed for a model, None for no limit."""
        return self.tpm.get(model) if isinstance(self.tpm, Mapping) else self.tpm


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how a call is repeated.

    What is retried: connect errors, a lost connection when repeating is safe, and the answers in `statuses`, all before
    the first content of a stream. What never is: cancellation, money and key troubles, a paid submit whose outcome is
    unknown. `Retry-After` is obeyed to the letter; a wait that does not fit into the deadline raises at once.

    Attributes:
        attempts: how often a call is sent at most, the first time included.
        base: the first delay is drawn from 0 to `base` seconds, and the upper end doubles each time.
        longest: upper end of the delays in seconds. A `Retry-After` may be longer.
        patience: the longest `Retry-After` that is waited for, in seconds; a longer one raises at once.
        statuses: HTTP statuses that are retried.
        resubmit: also repeat a paid submit whose outcome is unknown. It may be billed twice.
    """

    attempts: int = 3
    base: float = 0.5
    longest: float = 30.0
    patience: float = 120.0
    statuses: frozenset[int] = frozenset({408, 409, 429, *range(500, 600)})
    resubmit: bool = False

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError(f"attempts must be at least 1, got {self.attempts!r}")
        check_seconds("base", self.base)
        check_seconds("longest", self.longest)
        check_seconds("patience", self.patience)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a client is told. The key is not in its repr."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str = "https://api.novita.ai"
    llm_base_url: str = ""
    api_url: str = ""
    sandbox_url: str = ""
    domain: str = "us-phx-1.sandbox.novita.ai"
    endpoint_base_url: str = "https://async-public.serverless.novita.ai/v1"
    assets_url: str = "https://assets.novitai.com"
    projects_url: str = "https://artifact.novita.ai/v1"
    timeouts: Timeouts = field(default_factory=Timeouts)
    limits: Limits = field(default_factory=Limits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    priority: int = 0

    def require_key(self) -> str:
        """The API key, or a `ConfigError` that says where one may come from."""
        if not self.api_key:
            raise ConfigError(
                "no API key: pass api_key=..., set the environment variable NOVITA_API_KEY, or put api_key into "
                "~/.config/novita-async/config.toml, as `novita-async auth login` does (without a key, "
                "`novita-async simulator` is a Novita of your own)"
            )
        return self.api_key


def load_settings(
    *,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
    config_file: str | os.PathLike[str] | None = None,
    timeouts: Timeouts | None = None,
    limits: Limits | None = None,
    retry: RetryPolicy | None = None,
    **texts: str | None,
) -> Settings:
    """Gather the settings of a client from arguments, environment and profile, and check them.

    Raises:
        ConfigError: a value cannot work, or the profile cannot be read.
    """
    environ = os.environ if environ is None else environ
    chosen = profile or environ.get("NOVITA_PROFILE") or None
    filed = _read_profile(chosen, config_file, environ)
    values: dict[str, Any] = {}
    for name in _TEXTS:
        variable = f"NOVITA_{name.upper()}"
        for source, value in (
            (f"{name}=", texts.get(name)),
            (variable, environ.get(variable) or None),
            (f"profile {chosen or 'default'}", filed.get(name)),
        ):
            if value is not None:
                values[name] = _check_text(name, source, value)
                break
    for name, value in (("timeouts", timeouts), ("limits", limits), ("retry", retry)):
        if value is not None:
            values[name] = value
    settings = Settings(**values)
    return replace(
        settings,
        llm_base_url=settings.llm_base_url or f"{settings.base_url}/openai/v1",
        api_url=settings.api_url or f"https://api.{settings.domain}",
    )


def adjusted(
    settings: Settings, timeout: float | None, max_retries: int | None, priority: int | None = None
) -> Settings:
    """The settings with another limit for whole calls, number of retries and priority, each where it is given."""
    if timeout is not None:
        settings = replace(settings, timeouts=replace(settings.timeouts, total=timeout))
    if max_retries is not None:
        if isinstance(max_retries, bool) or max_retries < 0:
            raise ConfigError(f"max_retries must be 0 or more, got {max_retries!r}")
        settings = replace(settings, retry=replace(settings.retry, attempts=max_retries + 1))
    if priority is not None:
        if type(priority) is not int:
            raise ConfigError(f"priority must be an integer, got {priority!r}")
        settings = replace(settings, priority=priority)
    return settings


def check_seconds(name: str, value: object) -> None:
    """Refuse a duration that is negative, zero, not a number or not finite."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ConfigError(f"{name} must be a positive number of seconds, got {value!r}")


def _check_text(name: str, source: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name} (from {source}) must be text, got {type(value).__name__}")
    if name == "api_key":
        if not value.strip() or any(not 33 <= ord(letter) <= 126 for letter in value):
            # Never show it, not even the broken one: most of a broken key is a key.
            raise ConfigError(
                f"the API key from {source} cannot be sent: it is empty or has white space, a line end or a letter "
                "outside ASCII in it"
            )
        return value
    if name == "domain":
        if "/" in value or not value:
            raise ConfigError(f"domain (from {source}) must be a host name, got {value!r}")
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"{name} (from {source}) must begin with http:// or https://, got {value!r}")
    if parts.query or parts.fragment or parts.username or any(ord(letter) < 33 for letter in value):
        raise ConfigError(f"{name} (from {source}) must be a plain URL without user, query or fragment, got {value!r}")
    return value.rstrip("/")


def profile_file(environ: Mapping[str, str]) -> pathlib.Path:
    """Where the profiles are."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "~"), ".config")
    return pathlib.Path(home, "novita-async", "config.toml").expanduser()


def _read_profile(
    profile: str | None, config_file: str | os.PathLike[str] | None, environ: Mapping[str, str]
) -> dict[str, Any]:
    path = pathlib.Path(config_file).expanduser() if config_file else profile_file(environ)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if profile is None and config_file is None:
            return {}
        raise ConfigError(f"profile {profile or 'default'!r} was asked for and {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    import tomllib  # only where a profile file exists

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    table = tables.get(profile or "default")
    if table is None:
        if profile is None:
            return {}
        raise ConfigError(f"{path} has no profile [{profile}]; it has {', '.join(tables) or 'none'}")
    unknown = set(table) - set(_TEXTS)
    if unknown:
        raise ConfigError(f"profile [{profile or 'default'}] of {path} has unknown keys: {', '.join(sorted(unknown))}")
    return table
