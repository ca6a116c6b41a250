"""The table of interruption points contains every external call of a deployment."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tests.faults.interruption_points import INPUTS, POINTS
from tests.stage import Stage

# Requests to the app or a revision that change and decide nothing else.
DATA_PLANE = "*.azurecontainerapps.io"


def test_every_call_of_a_deployment_is_a_point_of_the_table(stage: Stage) -> None:
    before = stage.requests()[-1]["at"]
    stage.push_healthy()
    run = stage.run(**INPUTS)
    sent = stage.requests(before)

    assert run.exit_code == 0, run.log
    rows = [
        point.fault(stage.scene.app)
        for point in POINTS
        if point.host not in {"git", "redis"} and not point.revision
    ]
    unknown = {
        (call["method"], call["host"], call["path"])
        for call in sent
        if not fnmatchcase(call["host"], DATA_PLANE)
        and not any(
            fnmatchcase(call["host"], str(row["host"]))
            and call["method"] == row["method"]
            and fnmatchcase(call["path"].lower(), str(row["path"]).lower())
            for row in rows
        )
    }
    assert unknown == set()
    changes = [call for call in sent if call["method"] == "PATCH"]
    assert len(changes) == max(point.nth for point in POINTS if point.method == "PATCH")
