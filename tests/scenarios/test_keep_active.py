"""How long earlier revisions stay active, and what deactivates them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.stage import Stage

MANIFEST = {"manifest": "addin/manifest.xml"}
AN_HOUR_LATER_S = timedelta(minutes=61).total_seconds()


@pytest.fixture
def deployed(stage: Stage) -> tuple[Stage, str]:
    """A stage whose second revision serves, and the name of that revision."""
    stage.push_healthy()
    run = stage.run(**MANIFEST)
    assert run.exit_code == 0, run.log
    stage.wait_until_idle()
    return stage, run.outputs["revision"]


def test_a_repair_deactivates_the_previous_revision_after_an_hour(
    deployed: tuple[Stage, str],
) -> None:
    stage, newest = deployed
    early = stage.run("repair")
    assert early.outputs["result"] == "unchanged", early.log
    assert stage.active() == [stage.first, newest]

    stage.clock(advance=AN_HOUR_LATER_S)
    with stage.users().busy() as users:
        late = stage.run("repair")

    assert late.exit_code == 0, late.log
    assert late.outputs["result"] == "repaired"
    assert late.logged(f"deactivated {stage.first}")
    assert stage.active() == [newest]
    assert users.failures == []


def test_a_rollback_activates_the_deactivated_revision_and_checks_it(
    deployed: tuple[Stage, str],
) -> None:
    stage, _ = deployed
    stage.clock(advance=AN_HOUR_LATER_S)
    stage.run("repair")
    assert stage.first not in stage.active()

    with stage.users().busy() as users:
        run = stage.run("rollback")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.serves()["revision"] == stage.first
    assert users.failures == []


def test_the_next_deployment_deactivates_what_has_not_served_for_an_hour(
    deployed: tuple[Stage, str],
) -> None:
    stage, second = deployed
    stage.clock(advance=AN_HOUR_LATER_S)
    stage.push("addin/app/greeting.py", "Good morning", "Good evening")
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert stage.active() == [second, run.outputs["revision"]], "the previous one stays for now"


def test_without_keep_active_the_previous_revision_is_deactivated_in_the_same_run(
    stage: Stage,
) -> None:
    stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, keep_active="0s")

    assert run.exit_code == 0, run.log
    assert stage.active() == [run.outputs["revision"]]
    assert users.failures == []


def test_a_repair_keeps_a_revision_with_a_label(deployed: tuple[Stage, str]) -> None:
    stage, newest = deployed
    traffic = [
        {"revisionName": newest, "weight": 100},
        {"revisionName": stage.first, "weight": 0, "label": "beta"},
    ]
    ingress = {"properties": {"configuration": {"ingress": {"traffic": traffic}}}}
    stage.scene.arm("PATCH", f"/containerApps/{stage.scene.app}", ingress)
    stage.wait_until_idle()
    stage.clock(advance=AN_HOUR_LATER_S)
    run = stage.run("repair")

    assert run.outputs["result"] == "unchanged", run.log
    assert stage.active() == [stage.first, newest]


def test_a_dry_run_of_repair_deactivates_nothing(deployed: tuple[Stage, str]) -> None:
    stage, newest = deployed
    stage.clock(advance=AN_HOUR_LATER_S)
    run = stage.run("repair", dry_run="true")

    assert run.outputs["result"] == "planned", run.log
    assert stage.active() == [stage.first, newest]
