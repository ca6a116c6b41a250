"""The plan shows exactly what a deployment changes, in log and summary."""

from __future__ import annotations

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


def test_a_dry_run_shows_what_changes_and_nothing_else(stage: Stage) -> None:
    stage.push_better()

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
    stage.push_better()
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
