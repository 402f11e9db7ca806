"""`novita-async auth`: a key that is kept, told of and taken out again, in a file with other things in it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from novita_async.cli.process import CannotGoOn
from novita_async.cli.toml import with_values
from novita_async.simulator import Edit

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

    from conftest import Cloud

    Command = Callable[..., tuple[int, str, str]]
    Screen = Callable[..., tuple[int, str]]

FILE = '# mine\n[staging]\nbase_url = "http://127.0.0.1:1"  # not now\n\n[default]\n\n# the end\n'


@pytest.fixture
def file(cloud: Cloud, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("NOVITA_API_KEY")
    return tmp_path / "novita-async" / "config.toml"


def test_a_key_is_kept_for_its_user_only_and_is_shown_to_nobody(
    command: Command, screen: Screen, cloud: Cloud, file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cloud.simulator.api_key
    assert command("auth", "info")[0] == 1
    monkeypatch.setenv("WORK_KEY", key)
    assert command("auth", "login", "--api-key-env", "WORK_KEY")[0] == 0
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)] == [0o600, 0o700]
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert command("sandbox", "list") == (0, "", "")
    code, output, errors = command("auth", "info")
    assert (code, errors) == (0, "")
    assert f"key from\t{file}\n" in output
    assert key not in output
    assert command("auth", "logout")[0] == 0
    assert "no key" in command("auth", "logout")[1]
    assert command("sandbox", "list")[0] == 1
    assert '"keyFrom": "--api-key"' in command("--api-key", key, "--domain", "x.example", "auth", "info", "--json")[1]
    code, shown = screen("auth", "login", answer=("API key: ", f"{key}\n"))
    assert code == 0
    assert key not in shown
    monkeypatch.setenv("NOVITA_API_KEY", "another-key-of-mine")
    assert "is set" in command("auth", "logout")[2]


def test_a_key_that_the_platform_does_not_take_changes_nothing(
    command: Command, cloud: Cloud, file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("auth", "login", "--api-key", "wrong-key-wrong")[:2] == (1, "")
    assert not file.exists()
    assert command("auth", "login", "--api-key", cloud.simulator.api_key)[0] == 0
    before = file.read_text()
    code, output, errors = command("auth", "login", "--api-key", "wrong-key-wrong")
    assert (code, output, file.read_text()) == (1, "", before)
    assert "does not take this key" in errors
    monkeypatch.setenv("EMPTY", "")
    for wrong in ([], ["--api-key", "a", "--api-key-stdin"], ["--api-key-env", "EMPTY"], ["--api-key", "a b"]):
        code, output, errors = command("auth", "login", *wrong)
        assert (code, output, file.read_text()) == (2, "", before), wrong
        assert errors.count("\n") == 1


def test_what_else_is_in_the_file_stays_and_a_profile_has_its_own_key(
    command: Command, cloud: Cloud, file: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = cloud.simulator.api_key
    file.parent.mkdir()
    file.write_text(FILE)
    target = file.with_name("elsewhere.toml")  # it may be a link into somebody's own collection of settings
    os.rename(file, target)
    file.symlink_to(target)
    assert command("auth", "login", "--api-key", key)[0] == 0
    assert file.is_symlink()
    assert target.read_text() == f'{FILE}api_key = "{key}"\n'
    monkeypatch.setenv("NOVITA_PROFILE", "work")
    assert command("auth", "login", "--api-key", key)[0] == 0
    assert target.read_text().endswith(f'\n[work]\napi_key = "{key}"\n')
    assert command("auth", "logout")[0] == 0
    assert target.read_text().count(key) == 1


def test_the_key_of_a_team_is_kept_when_the_platform_shows_it(
    command: Command, cloud: Cloud, file: pathlib.Path
) -> None:
    key = cloud.simulator.api_key
    code, output, errors = command("auth", "configure", "--team", "default")
    assert (code, output) == (1, "")  # nobody has logged in
    assert command("auth", "login", "--api-key", key)[0] == 0
    code, output, errors = command("auth", "configure", "--team", "default")
    assert (code, output) == (1, "")
    assert "does not show" in errors
    command("auth", "logout")
    cloud.simulator.fault("GET", "/teams", Edit.having("0.apiKey", key))
    code, output, errors = command("--api-key", key, "auth", "configure", "--team", "default")
    assert (code, errors) == (0, "")
    assert key in file.read_text()
    assert command("auth", "configure", "--team", "nobody")[0] == 1
    assert command("auth", "configure")[0] == 2  # there is nobody to ask


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", '[t]\nk = "v"\n'),
        ("[t]\nk = 'old'  # why\nx = 1\n", '[t]\nk = "v"\nx = 1\n'),
        ("[ t ]\n\n\n[u]\nk = 1\n", '[ t ]\nk = "v"\n\n\n[u]\nk = 1\n'),
        ("[t.deeper]\nk = 1\n", '[t.deeper]\nk = 1\n\n[t]\nk = "v"\n'),
        ("t = {k = 1}\n", None),
        ("t = 1\n", None),
        ('[t]\nk = """\n[u]\nk = 1\n"""\n', None),
        ("[t]\nlist = [\n  1,\n]\n'k' = 2\n", None),
    ],
)
def test_one_value_is_changed_or_nothing(text: str, result: str | None, tmp_path: pathlib.Path) -> None:
    if result is None:
        with pytest.raises(CannotGoOn):
            with_values(tmp_path, text, {"k": "v"}, table="t")
    else:
        assert with_values(tmp_path, text, {"k": "v"}, table="t") == result
