"""Random sequences of deployments, rollbacks, kills, repairs and manual changes.

After every step, only active revisions that passed their gates have traffic, no version
was deployed twice, the branch has only promoted versions, and no stale lock blocks a run.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from deploy_action.core.manifest.version import Version
from tests.faults.interruption_points import INPUTS, POINTS, Point, halted
from tests.stage import Stage
from tests.support.runner import cancel, second_step

_numbers = itertools.count(1)
PATIENT = {**INPUTS, "operation_timeout": "30s", "gate_timeout": "10s"}
SICK = {**INPUTS, "gate_timeout": "2s"}


class DeploymentMachine(RuleBasedStateMachine):
    """The state machine of one app in the sandbox *azure*, with its repository in *directory*."""

    azure: ClassVar[dict[str, str]]
    directory: ClassVar[Path]

    @initialize()
    def begin(self) -> None:
        number = next(_numbers)
        folder = self.directory / str(number)
        folder.mkdir()
        self.stage = Stage.set_up(self.azure, folder, f"life-{number}")
        self.trusted = {self.stage.first}
        self.pushes = 0

    def teardown(self) -> None:
        self.stage.scene.ask("DELETE", self.stage.scene.path)

    def _push(self) -> None:
        """Change the greeting."""
        self.stage.scene.check_out()
        file = self.stage.scene.workspace / "addin" / "app" / "greeting.py"
        self.pushes += 1
        old = file.read_text("utf-8")
        self.stage.push("addin/app/greeting.py", old, f"{old}# {self.pushes}\n")

    def _gated(self) -> None:
        """Record that the revisions that our run gave traffic have passed their gates."""
        self.trusted |= set(self.stage.weights()) - {"latest"}

    @rule()
    def a_good_push(self) -> None:
        self._push()
        run = self.stage.run(**PATIENT, lock_wait="60s")
        assert run.exit_code == 0, run.log
        assert self.stage.weights() == {run.outputs["revision"]: 100}
        self._gated()

    @rule()
    def a_sick_push(self) -> None:
        self.stage.scene.check_out()
        before = self.stage.weights()
        self.stage.push("addin/app/health.py", "HEALTHY = True", "HEALTHY = False")
        run = self.stage.run(**SICK)
        self.stage.scene.check_out()
        self.stage.push("addin/app/health.py", "HEALTHY = False", "HEALTHY = True")
        assert run.exit_code in {4, 6}, run.log
        if run.exit_code == 4 and "latest" not in before:
            assert self.stage.weights() == before

    @rule()
    def a_rollback(self) -> None:
        run = self.stage.run("rollback")
        assert run.exit_code in {0, 3}, run.log
        self._gated()

    @rule()
    def a_repair(self) -> None:
        run = self.stage.run("repair", take_over="true")
        assert run.exit_code == 0, run.log
        self._gated()

    @rule(point=st.sampled_from(POINTS), killed=st.booleans())
    def a_push_that_is_stopped(self, point: Point, killed: bool) -> None:
        if self.stage.is_locked():
            return  # it would only be refused
        if point.name == "pinning the traffic" or (point.method == "PATCH" and point.nth > 1):
            follows = "latest" in self.stage.weights()
            if not follows:
                return  # no pinning write then, so the call numbers differ
        self._push()
        with halted(self.stage, point) as process:
            if killed:
                process.kill()
                process.communicate()
            else:
                cancel(process)
                run = self.stage.finished(process)
                second_step(self.stage, run, **INPUTS)
        self.stage.wait_until_idle()
        if point.shifted:
            self._gated()

    @rule(share=st.integers(1, 99))
    def a_manual_traffic_change(self, share: int) -> None:
        names = [name for name in self.stage.active() if name in self.trusted]
        if len(names) < 2:
            return
        split = [
            {"revisionName": names[0], "weight": share},
            {"revisionName": names[-1], "weight": 100 - share},
        ]
        traffic = {"properties": {"configuration": {"ingress": {"traffic": split}}}}
        self.stage.scene.arm("PATCH", f"/containerApps/{self.stage.scene.app}", traffic)
        self.stage.wait_until_idle()

    @invariant()
    def users_are_served_by_revisions_that_may_serve(self) -> None:
        weights = self.stage.weights()
        assert sum(weights.values()) == 100
        assert set(weights) - {"latest"} <= self.trusted & set(self.stage.active())
        for _ in range(5):
            assert self.stage.serves()["revision"] in self.trusted

    @invariant()
    def versions_only_increase(self) -> None:
        numbers = [
            Version.parse(variable["value"])
            for revision in self.stage.scene.revisions().values()
            for variable in revision["template"]["containers"][0]["env"]
            if variable["name"] == "DEPLOY_ACTION_VERSION"
        ]
        assert numbers == sorted(set(numbers))


@pytest.mark.long
@pytest.mark.xdist_group("life")
def test_random_sequences_keep_the_invariants(
    azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("lives")
    lives = type("Lives", (DeploymentMachine,), {"azure": azure, "directory": directory})
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=4,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
