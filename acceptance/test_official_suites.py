"""The official client's own tests, async and sync, against the simulator. Those that cannot pass stand in README.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import world

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(
        not world.is_possible(), reason="bwrap (bubblewrap) is not there, or this system does not allow it namespaces"
    ),
]

HERE = Path(__file__).parent
CLIENT = Path(sysconfig.get_path("purelib"), "novita_sandbox")


README = (HERE / "README.md").read_text()


def table(suite: str) -> dict[str, str]:
    """What README.md says of a suite: how each test comes out that does not pass."""
    rows = re.findall(r"^\| `(\S+)` \| (failed|skipped) \| \S.* \|$", README, re.MULTILINE)
    return {name: outcome for name, outcome in rows if name.startswith(f"{suite}/")}


def counts(suite: str) -> tuple[int, int]:
    """What README.md says of a suite: how many tests it has, and how many pass."""
    row = re.search(rf"^\| `{suite}/tests`.* \| (\d+) \| (\d+) \|$", README, re.MULTILINE)
    assert row is not None
    return int(row[1]), int(row[2])


@pytest.mark.parametrize("suite", ["core", "code_interpreter", "artifact_hosting"])
def test_everything_passes_but_what_the_table_says(
    suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes, log = tmp_path / "outcomes.json", tmp_path / "log.txt"
    command = [sys.executable, "-m", "pytest", "-c", str(HERE / "official.ini"), "--rootdir", str(CLIENT)]
    command += ["--outcomes", str(outcomes), "--tb=short", "-q", str(CLIENT / suite / "tests")]
    # Some of the tests skip without a node to ask for.
    arguments, environment = world.enter(command, tmp_path, PYTHONPATH=str(HERE), NOVITA_NODE_ID="node-1")
    with log.open("wb") as file:
        subprocess.run(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    told = log.read_text(errors="replace")
    assert outcomes.exists(), told
    came: dict[str, str] = json.loads(outcomes.read_text())
    not_passed = {name: outcome for name, outcome in came.items() if outcome != "passed"}
    expected = table(suite)
    unexpected = dict(not_passed.items() - expected.items())
    assert not unexpected, f"{told}\nThese did not pass, and README.md does not say so: {unexpected}"
    assert not_passed == expected, "README.md says of these that they do not pass, and they do"
    passed = len(came) - len(not_passed)
    with capsys.disabled():
        print(f"\n{suite}: {passed} passed, {len(not_passed)} did not and stand in the table")
    assert (len(came), passed) == counts(suite)
