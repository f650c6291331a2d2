"""`pytest --both-databases`: the same tests on SQLite, then on PostgreSQL, in one report with one summary.

The second round runs in a pytest of its own; its reports are handed over and counted here.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

HAND_OVER = "RUNWATCH_TEST_REPORTS"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--both-databases", action="store_true", help="run everything on SQLite and on PostgreSQL")


def pytest_configure(config: pytest.Config) -> None:
    if file := os.environ.get(HAND_OVER):
        config.pluginmanager.register(Reporter(config, Path(file)))


class Reporter:
    """In the second round: writes each report as a line of JSON."""

    def __init__(self, config: pytest.Config, file: Path) -> None:
        self.config = config
        self.file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._hand_over(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._hand_over(report)

    def _hand_over(self, report: Any) -> None:
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        with self.file.open("a") as lines:
            lines.write(json.dumps(data, default=str) + "\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    both = session.config.getoption("--both-databases") and not session.config.option.collectonly
    if both:
        session.testscollected *= 2
    result = yield
    if both and not session.shouldfail and not session.shouldstop:
        _second_round(session)
        if session.testsfailed:
            raise session.Failed(f"{session.testsfailed} failed")
    return result


def _second_round(session: pytest.Session) -> None:
    terminal: Any = session.config.pluginmanager.getplugin("terminalreporter")
    terminal.ensure_newline()
    terminal.section("the same on PostgreSQL", "-")
    arguments = [argument for argument in session.config.invocation_params.args if argument != "--both-databases"]
    with TemporaryDirectory() as folder:
        reports, log = Path(folder) / "reports", Path(folder) / "log"
        reports.touch()
        with log.open("w") as output:
            round_two = subprocess.Popen(
                [sys.executable, "-m", "pytest", *map(str, arguments)],
                env=os.environ | {"TEST_DATABASE": "postgres", HAND_OVER: str(reports)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                _replay(session, reports, round_two)
            finally:
                round_two.terminate()
                round_two.wait()
        if round_two.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            terminal.write(log.read_text())
            raise pytest.UsageError(f"the tests on PostgreSQL ended with status {round_two.returncode}")


def _replay(session: pytest.Session, reports: Path, round_two: subprocess.Popen[bytes]) -> None:
    with reports.open() as lines:
        unfinished, ended = "", False
        while True:
            ended = ended or round_two.poll() is not None
            unfinished += lines.readline()
            if unfinished.endswith("\n"):
                _count(session, json.loads(unfinished))
                unfinished = ""
            elif ended:
                return
            else:
                time.sleep(0.1)


def _count(session: pytest.Session, data: dict[str, Any]) -> None:
    hook = session.config.hook
    report: Any = hook.pytest_report_from_serializable(config=session.config, data=data)
    report.nodeid += " (PostgreSQL)"
    if report.outcome == "skipped":
        report.longrepr = tuple(report.longrepr)  # JSON has no tuples, and pytest's summary wants one
    if isinstance(report, pytest.TestReport):
        hook.pytest_runtest_logreport(report=report)
    else:
        hook.pytest_collectreport(report=report)
