"""While a run waits, its log says for what, and when it continues."""

from __future__ import annotations

import re

from tests.stage import Stage


def test_a_long_step_says_when_the_next_one_begins(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(traffic_steps="50,100", step_interval="16s")

    assert run.exit_code == 0, run.log
    assert re.search(r"at 50 %: \d+ checks, candidate: .+; next step in \d+ s\n", run.log)
