"""Traffic moves over: write, read back, watch, judge; only ever from a split that we know."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.probes import Probes
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Plan
from deploy_action.core.record import Record
from deploy_action.core.revision import Revision
from deploy_action.core.split import WHOLE, Split
from deploy_action.core.verdict import Verdict
from deploy_action.errors import DeployError, SupersededError
from deploy_action.rollout.journal import Keeper
from deploy_action.runtime.side_by_side import Started
from deploy_action.runtime.waiting import Deadline, pause

_BAD_ROUNDS = 2  # in a row: one failed look is not a judgement


class StepFailed(DeployError):  # noqa: N818  it is what happened
    """The candidate did badly while users were on it."""


@dataclass(slots=True)
class Shift:
    """Moves one candidate up.

    Args:
        app: where weights are written.
        probes: how both sides are watched.
        keeper: whose tags travel with each write; notices when another run took over.
        plan: base split, steps and names.
        record: is told each confirmed split.
        health_path: what both sides are asked.
        look_every_s: pause between two rounds of looking, in seconds.
    """

    app: ContainerApp
    probes: Probes
    keeper: Keeper
    plan: Plan
    record: Record
    health_path: str
    look_every_s: float
    _expected: Split = field(init=False)

    def __post_init__(self) -> None:
        self._expected = self.plan.app.split

    def pin(self) -> None:
        """Name every revision in today's split, so that a new one gets nothing by itself."""
        if self.plan.pin:
            self._write(self.plan.pinned, Phase.PIN, "pinned")

    def walk(self, candidate: Revision) -> None:
        """Raise the candidate step by step, each watched for the interval.

        Raises:
            StepFailed: the candidate did badly.
            SupersededError: somebody else changed the split or took over.
        """
        for weight in self.plan.schedule.steps:
            split = self.plan.pinned.with_candidate(candidate.name, weight)
            self._write(split, Phase.SHIFT, f"{weight} % to the candidate")
            self._watch(candidate, self.plan.schedule.interval_s, f"at {weight} %")

    def promote(self, candidate: Revision) -> None:
        """Give the candidate everything and bake, the way back still armed."""
        split = self.plan.pinned.all_to(candidate.name)
        self._write(split, Phase.PROMOTE, "promoted")
        self._watch(candidate, self.plan.schedule.bake_s, "while baking")

    def back(self, *, wait_s: float) -> str:
        """Put the split back that stood before this run, if what stands there is ours.

        Args:
            wait_s: how long to wait for Azure to confirm, in seconds.

        Returns:
            How the traffic stands now, in words.
        """
        app = self.app.read()
        if not self.keeper.owns(app):
            return f"left to the run that took over: {app.split}"
        if app.split.same_as(self.plan.pinned) or app.split.same_as(self.plan.app.split):
            return f"stands as before: {app.split}"
        if not self._ours(app.split):
            return f"left as somebody else set it: {app.split}"
        tags = self.keeper.tags(Phase.SHIFT)
        now = self.app.write_split(self.plan.pinned, tags, deadline=Deadline(wait_s))
        self.record.shifted(now.split, "put back")
        return f"back as before: {now.split}"

    def _write(self, split: Split, phase: Phase, why: str) -> None:
        self._check()
        self._expected = split
        now = self.app.write_split(split, self.keeper.tags(phase))
        self.record.shifted(now.split, why)

    def _check(self) -> None:
        """Before each write: the app is as our last write left it, and still ours."""
        app = self.app.read()
        self.keeper.check(app)
        if not app.split.same_as(self._expected):
            raise SupersededError(
                f"Somebody else changed the traffic of '{app.name}' during this run: it is "
                f"{app.split}, this run had written {self._expected}.",
                hint="Their change was left alone; look at the app before the next deployment.",
            )

    def _ours(self, split: Split) -> bool:
        """Whether *split* is one that this run's schedule writes at some point."""
        weights = (*self.plan.schedule.steps, WHOLE)
        name = self.plan.candidate
        return any(split.same_as(self.plan.pinned.with_candidate(name, w)) for w in weights)

    def _watch(self, candidate: Revision, seconds: float, when: str) -> None:
        """Look at both sides until the time is over; at least once even when it is zero."""
        deadline = Deadline(seconds)
        bad = rounds = 0
        while True:
            stable = Started(lambda: self.probes.healthy(self.plan.stable.fqdn, self.health_path))
            answer = self.probes.healthy(candidate.fqdn, self.health_path)
            other = stable.result()
            rounds += 1
            bad = 0 if answer.verdict is Verdict.PASS else bad + 1
            if bad >= _BAD_ROUNDS:
                raise StepFailed(
                    f"The candidate did badly {when}: {answer.seen}, {bad} times in a row; the "
                    f"stable revision meanwhile: {other.seen}.",
                )
            if deadline.passed and bad == 0:
                self.record.say(f"{when}: {answer.seen}, {rounds} looks, stable {other.seen}")
                return
            pause(min(self.look_every_s, max(deadline.remaining, 0.05)))
