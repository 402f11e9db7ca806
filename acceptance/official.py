"""A pytest plugin for the official client's own tests, which are run where they are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

# Their mark says that the platform makes no volumes for just anybody. The simulator does.
_SKIPPED_NO_MORE = "Volume lifecycle tests require enabled volume creation"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, required=True)


class ReportHooks:
    """What one of their conftests wants of pytest-html, which only makes reports."""

    def pytest_html_report_title(self, report: object) -> None: ...


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(ReportHooks)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(cast("Path", config.getoption("outcomes"))))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for module in {node for item in items for node in item.listchain() if isinstance(node, pytest.Module)}:
        module.own_markers[:] = [mark for mark in module.own_markers if _SKIPPED_NO_MORE not in mark.args]


class Outcomes:
    """Writes down how every test came out: "passed", "failed" or "skipped"."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed" or report.when == "call":
            self._outcomes[report.nodeid] = report.outcome

    def pytest_sessionfinish(self) -> None:
        self._file.write_text(json.dumps(self._outcomes))
