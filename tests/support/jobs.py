"""Jobs of one workflow run under `act` that use the action."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from deploy_action.sandbox.scene import as_inputs
from tests.stage import HURRY, Run, Stage
from tests.support.act import ACTION, act

_OUTPUTS = 'printf "%s" "$OUTPUTS" > "$RESULTS/$NAME"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job: a script, one or more steps that use the action, and another script.

    Args:
        steps: the inputs and settings of each step by its name, underscores for dashes. A failed
            step does not end the job.
        before: what the job runs first.
        after: what it runs last.
        variables: variables of the steps; the action is installed without them.
    """

    steps: Mapping[str, Mapping[str, str]]
    before: str = "true"
    after: str = "true"
    variables: Mapping[str, str] = field(default_factory=dict)


def run_jobs(stage: Stage, *jobs: Job) -> dict[str, Run]:
    """Run jobs at the same time; return what each step left, by the step's name.

    The summaries are empty: act keeps none of a job that runs beside others.

    Args:
        stage: whose repository it is; `tests.support.act.commit_workflows` put the action there.
        jobs: what to run.
    """
    number = stage.runs + 1
    results = stage.scene.directory / f"results-{number}"
    results.mkdir()
    file = stage.scene.directory / f"workflow-{number}.yml"
    text = {
        "name": "Deploy",
        "on": {"workflow_dispatch": None},
        "permissions": {},
        "jobs": {f"job{index}": _job(stage, job) for index, job in enumerate(jobs)},
    }
    file.write_text(yaml.safe_dump(text), "utf-8")
    environment = {
        "RESULTS": str(results),
        "GITHUB_RUN_ID": str(number),
        "GITHUB_REPOSITORY": "the-well/well-intake",
    }
    done = act(stage, "workflow_dispatch", "-W", str(file), environment=environment)
    items: dict[str, Run] = {}
    for index, job in enumerate(jobs):
        logs = _logs_of_steps(done.log, f"job{index}")[-len(job.steps) :]
        assert len(logs) == len(job.steps), done.log
        for name, log in zip(job.steps, logs, strict=True):
            outputs = json.loads((results / name).read_text("utf-8"))
            items[name] = Run(exit_code=_exit_code(log), log=log, outputs=outputs, summary="")
    return items


def run_step(stage: Stage, **inputs: str) -> Run:
    """Run one job with one step that uses the action; return what it left."""
    return run_jobs(stage, Job(steps={"run": inputs}))["run"]


def _job(stage: Stage, job: Job) -> dict[str, Any]:
    checkout = {"uses": "actions/checkout@v6", "with": {"persist-credentials": False}}
    steps: list[dict[str, Any]] = [checkout, {"run": job.before}]
    if job.variables:
        lines = "\n".join(f"{name}={value}" for name, value in job.variables.items())
        script = 'printf "%s\\n" "$LINES_OF_VARIABLES" >> "$GITHUB_ENV"'
        steps.append({"uses": ACTION, "with": {"command": "validate"}, "continue-on-error": True})
        steps.append({"env": {"LINES_OF_VARIABLES": lines}, "run": script})
    for name, inputs in job.steps.items():
        options = {
            "client-id": "${{ env.AZURE_CLIENT_ID }}",
            "tenant-id": "${{ env.AZURE_TENANT_ID }}",
            "subscription-id": "${{ env.AZURE_SUBSCRIPTION_ID }}",
            "git-token": "",
            **as_inputs({"app": stage.scene.app, **HURRY, **inputs}),
        }
        outputs = {"OUTPUTS": f"${{{{ toJSON(steps.{name}.outputs) }}}}", "NAME": name}
        deploy = {"uses": ACTION, "id": name, "with": options, "continue-on-error": True}
        steps += [deploy, {"env": outputs, "run": _OUTPUTS}]
    return {"runs-on": "ubuntu-latest", "steps": [*steps, {"run": job.after}]}


def _logs_of_steps(log: str, job: str) -> list[str]:
    """Return the log of each step that used the action, without act's prefixes."""
    lines = [line for line in log.splitlines() if f"/{job}" in line.partition("]")[0]]
    text = "\n".join(re.sub(r"^\[[^\]]*\]\s*(\| ?)?", "", line) for line in lines)
    return text.split(f"Run Main {ACTION}\n")[1:]


def _exit_code(log: str) -> int:
    """Return the exit code of the action's main step."""
    failed = re.search(r"^exit status (\d+)$", log, re.MULTILINE)
    if failed:
        return int(failed[1])
    assert f"Success - Main {ACTION}" in log, log
    return 0
