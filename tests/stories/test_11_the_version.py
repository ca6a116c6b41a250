"""When the add-in's version is raised, by how much, and by whom it is heard."""

from __future__ import annotations

import json
from pathlib import Path

from tests.stage import Stage

MANIFEST = {"manifest": "addin/manifest.xml"}


def _deployed_once(stage: Stage) -> None:
    stage.push_better()
    run = stage.run(**MANIFEST)
    assert run.outputs["version"] == "1.3.0.3", run.log


def test_a_push_that_leaves_the_add_in_alone_leaves_its_version_alone(stage: Stage) -> None:
    _deployed_once(stage)
    pushed = stage.push(".github/deploy.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.said("the add-in: no file of the add-in differs from what serves")
    assert run.outputs["version"] == "1.3.0.3"
    assert stage.serves()["version"] == "1.3.0.3"
    assert stage.weights() == {run.outputs["revision"]: 100}
    assert stage.branch_head() == pushed, "there is nothing to commit"


def test_what_counts_as_the_add_in_can_be_said(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push(".github/deploy.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST, bump_when_changed="addin/**\n.github/*.yml")

    assert run.exit_code == 0, run.log
    assert run.said("the add-in: .github/deploy.yml differ from what serves")
    assert run.outputs["version"] == "1.3.0.4"


def test_what_another_app_told_a_shared_cache_does_not_count(stage: Stage) -> None:
    stage.push_better()
    with stage.scene.cache() as cache:
        told = {"version": "9.9.9.9", "run": "99.1", "revision": "another--v9"}
        cache.set("deployment:current", json.dumps(told))
    run = stage.run(**MANIFEST)

    assert run.outputs["version"] == "1.3.0.3", run.log


def test_it_can_be_raised_all_the_same(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push(".github/deploy.yml", "step-interval: 60s", "step-interval: 61s")
    run = stage.run(**MANIFEST, bump="always")

    assert run.outputs["version"] == "1.3.0.4", run.log


def test_where_nothing_is_known_of_what_serves_the_push_itself_is_looked_at(
    stage: Stage, tmp_path: Path
) -> None:
    before = stage.branch_head()
    stage.push(".github/deploy.yml", "step-interval: 60s", "step-interval: 61s")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"before": before}), "utf-8")
    stage.variables = {"GITHUB_EVENT_PATH": str(event)}
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.said("no file of the add-in differs from the branch before the push")
    assert run.outputs["version"] == "1.3.0.2"


def test_where_nothing_is_known_at_all_it_is_raised(stage: Stage) -> None:
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.said("the add-in: not known: there is nothing to compare with")
    assert run.outputs["version"] == "1.3.0.3"


def test_other_permissions_raise_a_higher_part_where_that_is_wanted(stage: Stage) -> None:
    _deployed_once(stage)
    stage.push("addin/manifest.xml", ">ReadItem<", ">ReadWriteItem<")
    run = stage.run(**MANIFEST, bump_part="auto")

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == "1.4.0.0"
