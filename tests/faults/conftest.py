"""Print the results of interrupted runs as a table: calls down, outcomes across."""

from __future__ import annotations

import re

import pytest

OUTCOMES = {
    "test_kill_deploy.py::test_the_next_deployment": "killed, deploy",
    "test_kill_deploy.py::test_a_rollback": "killed, rollback",
    "test_kill_deploy.py::test_a_repair": "killed, repair",
    "test_cancel.py::test_a_cancelled_job": "cancelled",
}
SIGNS = {"passed": "ok", "failed": "FAILED", "error": "ERROR"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table if any of its tests ran."""
    table: dict[str, dict[str, str]] = {}
    for state, sign in SIGNS.items():
        for report in terminalreporter.stats.get(state, []):
            point = re.search(r"\[(.*?)(?:@.*)?\]", report.nodeid)
            for test, outcome in OUTCOMES.items():
                if test in report.nodeid and point:
                    table.setdefault(point[1], {})[outcome] = sign
    if not table:
        return
    columns = list(OUTCOMES.values())
    width = max(len(name) for name in table)
    terminalreporter.section("interrupted in the middle of every call")
    terminalreporter.write_line("  ".join(["call".ljust(width), *columns]))
    for name, row in sorted(table.items(), key=lambda item: item[0].partition(" ")[2]):
        cells = [row.get(column, "").ljust(len(column)) for column in columns]
        terminalreporter.write_line("  ".join([name.ljust(width), *cells]).rstrip())
