"""Runs killed at any moment on a busy machine; whatever runs next leaves the app in order.

A seed decides the commands, the moments and what runs next. ``make soak`` plays many more rounds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from deploy_action.core.manifest.version import Version
from tests.faults.interruption_points import INPUTS
from tests.stage import Run, Stage, assert_lock_released, end_on_github, on_github
from tests.support.runner import second_step

GAMES = range(5)
FIRST_GUESS_S = 3.0  # how long a command takes, until one was measured
PATIENT = {**INPUTS, "operation_timeout": "60s", "gate_timeout": "30s", "lock_wait": "60s"}
# Where GitHub cannot say that a run is dead, its lock has to expire: soon, with these.
KILLED = {**INPUTS, "gate_timeout": "3s"}
COMMANDS = ("deploy", "deploy", "deploy a sick one", "rollback", "repair")
NEXT = ("deploy", "rollback", "repair", "the second step")


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> int:
    """How many rounds each game has."""
    return int(pytestconfig.getoption("--kill-rounds"))


@contextmanager
def load() -> Iterator[None]:
    """Keep two processors busy, unless tests that run beside this one do it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        yield
        return
    spin = [sys.executable, "-c", "while True: pass"]
    with ExitStack() as stack:
        for _ in range(2):
            process = stack.enter_context(subprocess.Popen(spin))
            stack.callback(process.kill)
        yield


@dataclass(slots=True)
class Game:
    """Rounds on one app, each with a kill, and what must hold after each.

    Args:
        seed: decides everything that is random; in games with an even one, GitHub's API says which
            runs have ended.
    """

    stage: Stage
    seed: int
    random: Random = field(init=False)
    took_s: dict[str, float] = field(default_factory=dict)
    pushes: int = 0
    sick: set[str] = field(default_factory=set)  # revisions that must never serve
    story: list[str] = field(default_factory=list)
    killed: int = 0
    github: dict[str, str] = field(init=False)  # inputs

    def __post_init__(self) -> None:
        self.github = on_github(self.stage) if self.seed % 2 == 0 else {}
        self.random = Random(self.seed)  # noqa: S311  a game, no secret

    def play(self, number: int) -> None:
        """Play one round."""
        before = self.stage.serves()["revision"]
        known = set(self.stage.scene.revisions())
        key = f"manifest:of-round-{number}"
        with self.stage.scene.cache() as cache:
            cache.set(key, before)
        command = self.random.choice(COMMANDS)
        with self.stage.users().busy(pause_s=0.05) as users:
            killed = self._killed(command)
            self.stage.wait_until_idle()
            if command == "deploy a sick one":
                self.sick |= set(self.stage.scene.revisions()) - known
                self._push("HEALTHY = False", "HEALTHY = True")
            follower = self.random.choice(NEXT)
            run = self._run(follower, killed)
        about = "; ".join(self.story)
        assert users.failures == [], about
        assert not self.sick & set(users.answers), about
        self._check(run, about)
        now = self.stage.serves()["revision"]
        with self.stage.scene.cache() as cache:
            stale = cache.get(key) if now != before else None
        assert stale is None, f"{about}: {now} serves, and the cache has a page of {before}"

    def _killed(self, command: str) -> Run:
        """Start *command*, kill it at a random moment, and return what it left."""
        if command.startswith("deploy"):
            self._push(*(("HEALTHY = True", "HEALTHY = False") if "sick" in command else ("", "")))
        started = time.monotonic()
        process = self.stage.started(command.split(maxsplit=1)[0], **KILLED, **self.github)
        moment = self.random.uniform(0, 1.1 * self.took_s.get(command, FIRST_GUESS_S))
        try:
            process.wait(moment)
            self.took_s[command] = time.monotonic() - started
            self.story.append(f"{command} ended by itself")
        except subprocess.TimeoutExpired:
            process.kill()
            self.killed += 1
            self.story.append(f"{command} killed after {moment:.2f} s")
        if self.github:
            end_on_github(self.stage, self.stage.runs)
        return self.stage.finished(process)

    def _run(self, command: str, killed: Run) -> Run:
        """Run what comes next; a run that has nothing to finish is followed by a repair."""
        self.story.append(f"then {command}")
        if command == "the second step":
            second = second_step(self.stage, killed, **PATIENT, **self.github)
            if second is not None:
                return second
            command = "repair"
        if command == "deploy":
            self._push()
        take_over = {"take_over": "true"} if command == "repair" else {}
        started = time.monotonic()
        run = self.stage.run(command, **PATIENT, **self.github, **take_over)
        self.took_s[command] = time.monotonic() - started
        return run

    def _push(self, old: str = "", new: str = "") -> None:
        """Push a change of the app's health, or one of its greeting."""
        self.stage.scene.check_out()
        if old:
            self.stage.push("addin/app/health.py", old, new)
            return
        self.pushes += 1
        file = self.stage.scene.workspace / "addin" / "app" / "greeting.py"
        text = file.read_text("utf-8")
        self.stage.push("addin/app/greeting.py", text, f"{text}# {self.pushes}\n")

    def _check(self, run: Run, about: str) -> None:
        refused = run.exit_code == 3 and "rollback" in self.story[-1]
        assert run.exit_code == 0 or refused, f"{about}\n{run.log}"
        [(serving, weight)] = self.stage.weights().items()
        assert weight == 100, about
        now = self.stage.serves()["revision"]
        assert serving in {now, "latest"}, about
        assert now not in self.sick, about
        if not refused:
            assert_lock_released(self.stage)
        versions = [
            Version.parse(variable["value"])
            for revision in self.stage.scene.revisions().values()
            for variable in revision["template"]["containers"][0]["env"]
            if variable["name"] == "DEPLOY_ACTION_VERSION"
        ]
        assert versions == sorted(set(versions)), about
        if "then deploy" in self.story[-1]:
            published = self.stage.on_branch("show", "main:addin/manifest.xml")
            assert self.stage.serves()["version"] in published, about


@pytest.mark.long
@pytest.mark.parametrize("seed", GAMES)
def test_a_run_killed_at_any_moment_leaves_nothing_that_the_next_one_cannot_finish(
    stage: Stage, seed: int, rounds: int
) -> None:
    game = Game(stage, seed)
    with load():
        for number in range(rounds):
            game.story.clear()
            game.story.append(f"seed {seed}, round {number}")
            game.play(number)
    print(f"seed {seed}: {rounds} rounds, {game.killed} runs were killed")
