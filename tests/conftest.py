"""What holds for every test: no test that CI relies on may be skipped there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile(
    "shared-machine",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared-machine")

_skipped_in_ci: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect, on the controlling process, what was skipped although it needs a program."""
    if report.skipped and "needs" in report.keywords:
        _skipped_in_ci.append(f"{report.nodeid}: {report.longrepr}")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """In CI, a skipped test that needs an outside program fails the run."""
    yield
    if os.environ.get("CI") and _skipped_in_ci and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the tests whose skipping failed the run."""
    if os.environ.get("CI") and _skipped_in_ci:
        terminalreporter.section("skipped, although CI must run them")
        for line in _skipped_in_ci:
            terminalreporter.write_line(line)
