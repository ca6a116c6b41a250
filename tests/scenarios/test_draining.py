"""Old revisions get time to finish their requests before they are deactivated."""

from __future__ import annotations

from typing import Any

from tests.stage import Stage

DRAIN_S = 3.0


def deployed(stage: Stage, drain_time: str) -> list[dict[str, Any]]:
    """Deploy twice, so that the first revision is no longer needed; return the calls to Azure."""
    stage.push("addin/app/greeting.py", "Hello", "Good morning")
    assert stage.run(keep_revisions="1").exit_code == 0
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    since = max(call["at"] for call in stage.requests())
    run = stage.run(keep_revisions="1", drain_time=drain_time)
    assert run.exit_code == 0, run.log
    assert stage.first not in stage.active()
    return stage.requests(since)


def test_an_old_revision_drains_for_the_whole_drain_time(stage: Stage) -> None:
    calls = deployed(stage, f"{DRAIN_S}s")

    [deactivated] = [call["at"] for call in calls if call["path"].endswith("/deactivate")]
    changes = [call["at"] for call in calls if call["method"] == "PATCH"]
    promoted = max(at for at in changes if at < deactivated)
    assert deactivated - promoted >= DRAIN_S
