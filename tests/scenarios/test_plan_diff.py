"""The plan shows exactly what a deployment changes, in log and summary."""

from __future__ import annotations

import re
from typing import cast

from tests.stage import Stage

SETTINGS = """
template:
  resources: {cpu: 1, memory: 2Gi}
  env: {GREETING: hello, API_KEY: do-not-show}
"""


def difference(log: str) -> list[str]:
    """Return the lines of the difference."""
    lines = [line.strip() for line in log.splitlines()]
    return [line for line in lines if line.startswith(("+ ", "- ", "~ "))]


def cache_keys(stage: Stage) -> set[str]:
    """Return the names of all keys in the cache."""
    with stage.scene.cache() as cache:
        return set(cast("list[str]", cache.keys()))


def test_a_dry_run_shows_what_changes_and_nothing_else(stage: Stage) -> None:
    stage.push_healthy()

    run = stage.run(settings=SETTINGS, manifest="addin/manifest.xml", dry_run="true")

    assert run.exit_code == 0, run.log
    lines = difference(run.log)
    name = stage.scene.resource()["properties"]["template"]["containers"][0]["name"]
    assert f'+ containers.{name}.env.GREETING: "hello"' in lines
    assert f'+ containers.{name}.env.API_KEY: "(not shown)"' in lines
    assert any(line.startswith(f"~ containers.{name}.resources.cpu: ") for line in lines)
    assert any(line.startswith(f"~ containers.{name}.image: ") for line in lines)
    assert any('→ "1.3.0.3"' in line for line in lines)
    assert not any("DEPLOY_ACTION_" in line or "revisionSuffix" in line for line in lines)
    assert "do-not-show" not in run.log + run.summary
    assert "<summary>Plan</summary>" in run.summary
    assert f'+ containers.{name}.env.GREETING: "hello"' in run.summary


def test_a_second_deployment_with_the_same_settings_plans_only_a_new_image(stage: Stage) -> None:
    stage.push_healthy()
    first = stage.run(settings=SETTINGS)
    second = stage.run(settings=SETTINGS, dry_run="true")

    assert first.exit_code == second.exit_code == 0, first.log + second.log
    paths = [line.split()[1].rpartition(".")[2] for line in difference(second.log)]
    assert paths == ["image:"]


def test_revisions_that_will_be_deactivated_are_named(stage: Stage) -> None:
    for old, new in (("Hello", "Good morning"), ("Good morning", "Good evening")):
        stage.push("addin/app/greeting.py", old, new)
        assert stage.run(keep_revisions="3").exit_code == 0
    planned = stage.run(keep_revisions="2", dry_run="true")
    announced = [line[2:] for line in difference(planned.log) if "--" in line and ":" not in line]
    deployed = stage.run(keep_revisions="2")

    assert deployed.exit_code == 0, deployed.log
    assert announced
    assert not set(announced) & set(stage.active())
    assert len(stage.active()) == 2


def test_the_plan_counts_the_keys_that_are_cleared_now_and_keeps_them(stage: Stage) -> None:
    stage.scene.fill_cache()
    inputs = {"cache_patterns": "manifest:*\nconfig:*\nnothing:*"}
    before = cache_keys(stage)

    planned = stage.run(**inputs, dry_run="true")

    assert planned.exit_code == 0, planned.log
    expected = {
        kind: sum(key.startswith(kind) for key in before) for kind in ("manifest", "config")
    }
    for kind, number in {**expected, "nothing": 0}.items():
        assert f"{kind}:*: {number}\n" in planned.log
    assert all(expected.values())
    assert cache_keys(stage) == before


def test_a_plan_states_that_the_cache_cannot_be_reached(stage: Stage) -> None:
    inputs = {"cache_patterns": "manifest:*", "cache_url": "redis://127.0.0.1:1/0"}

    planned = stage.run(**inputs, dry_run="true")

    assert planned.exit_code == 0, planned.log
    [line] = [line for line in planned.log.splitlines() if "unknown: " in line]
    assert "127.0.0.1" in line


def test_the_plan_shows_manifest_steps_and_duration(stage: Stage) -> None:
    stage.push_healthy()

    run = stage.run(manifest="addin/manifest.xml", dry_run="true")

    lines = difference(run.log)
    assert any(line.endswith('"1.3.0.2" → "1.3.0.3"') and "line" in line for line in lines)
    assert re.search(r"duration: \d+\.\d to \d+\.\d min", run.log)
    assert "| 1 | 25 % | 75 % |" in run.summary
    assert re.search(r"takes \d+\.\d to \d+\.\d minutes", run.summary)
