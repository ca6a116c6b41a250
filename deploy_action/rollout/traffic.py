"""Shifts traffic: write, read back, watch, judge. Starts only from a known split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.adoption import succession, without_succession
from deploy_action.core.app import App
from deploy_action.core.journal import Journal
from deploy_action.core.phase import Phase
from deploy_action.core.plan import Plan
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import FULL_TRAFFIC, Split
from deploy_action.errors import SupersededError
from deploy_action.rollout.analysis import Analysis
from deploy_action.rollout.gates import GateFailedError, Gates
from deploy_action.rollout.lock import DeploymentLock
from deploy_action.rollout.watch import Watch
from deploy_action.runtime.polling import Deadline, backoff, monotonic, pause

_LAG_S = 10.0
_RESTORE_LAG_S, _RESTORE_POLL_S = 3.0, 0.2


@dataclass(slots=True)
class TrafficShift:
    """Shifts traffic to one candidate.

    Args:
        app: where weights are written.
        lock: its tags are sent with each write; it detects when another run takes over.
        plan: base split, steps and names.
        record: receives each confirmed split.
        watch: checks both sides during a step.
        analysis: judges the candidate by production traffic, latency and the user's checks.
    """

    app: ContainerApp
    lock: DeploymentLock
    plan: Plan
    record: Record
    watch: Watch
    analysis: Analysis
    _written: list[Split] = field(default_factory=list)
    _write_pending: bool = False
    _promoted_at: float = 0.0

    @property
    def _expected(self) -> Split:
        return self._written[-1] if self._written else self.plan.app.split

    def pin(self) -> None:
        """Pin the current split to named revisions, so that a new one gets no traffic.

        Raises:
            SupersededError: the app has changed since the plan was made.
        """
        self.check()
        if self.plan.needs_pinning:
            self._send(self.plan.pinned, Phase.PIN, 0, "pinned")

    def create(self, template: Mapping[str, Any]) -> None:
        """Create the candidate from *template*, next to the serving revision.

        Raises:
            SupersededError: someone else changed the split or took over.
            DeployError: Azure refused.
        """
        tags = self.lock.tags(Phase.CREATE)
        guard = self.assert_unchanged
        self.app.write_template(template, self.plan.candidate, tags, guard=guard)
        self.lock.opened = True

    def adopt(self) -> None:
        """Lock the app for a candidate that exists already; the candidate is not changed.

        Raises:
            SupersededError: someone else changed the split or took over.
            DeployError: Azure refused.
        """
        self.check()
        self.app.write_configuration(None, self.lock.tags(Phase.CREATE))
        self.lock.opened = True

    def label_candidate(self) -> None:
        """Point the candidate's label to it, before it receives any traffic.

        Raises:
            SupersededError: someone else changed the split or took over.
        """
        self._write(self.plan.split_at(0), Phase.CREATE, 0, f"label {self.plan.labels.candidate}")

    def verify_stable(self, gates: Gates, revision: Revision | None = None) -> str:
        """Check that the stable revision is healthy after an abort.

        Args:
            gates: the checks.
            revision: the revision that serves instead of it; None for itself.

        Raises:
            GateFailedError: it was healthy before this run shifted traffic but is not now.
        """
        if self.plan.stable_is_down:
            return "was not healthy before this run"
        try:
            return gates.verify(self.plan.app.fqdn, revision or self.plan.stable)
        except GateFailedError as error:
            if not self._written:
                return f"is not healthy, but this run did not change it: {error.message}"
            raise

    def step_through(self, candidate: Revision) -> None:
        """Raise the candidate's weight in steps and monitor each one for the interval.

        Raises:
            StepFailedError, AnalysisFailedError: the candidate is bad.
            SupersededError: someone else changed the split or took over.
        """
        for weight in self.plan.schedule.steps:
            self._write(
                self.plan.split_at(weight), Phase.SHIFT, weight, f"{weight} % to the candidate"
            )
            self._watch(candidate, weight, f"at {weight} %", then="next step")

    def promote(self, candidate: Revision) -> None:
        """Route all traffic to the candidate and bake, with rollback still enabled.

        Raises:
            StepFailedError, AnalysisFailedError: the candidate is bad.
            SupersededError: someone else changed the split or took over, until the bake's end.
        """
        split = self.plan.split_at(FULL_TRAFFIC)
        self._write(split, Phase.PROMOTE, FULL_TRAFFIC, "promoted")
        self._bake(candidate)

    def _bake(self, candidate: Revision) -> None:
        self._promoted_at = monotonic()
        self._watch(candidate, FULL_TRAFFIC, "during the bake", then="end")
        self.check()

    @property
    def promoted_s(self) -> float:
        """Seconds since the candidate got all traffic."""
        return monotonic() - self._promoted_at

    def restore(self, *, wait_s: float) -> str:
        """Restore the split from before this run, unless someone else has changed it.

        Args:
            wait_s: how long to wait for Azure to confirm, in seconds.

        Returns:
            A description of the current traffic.
        """
        lag = Deadline(_RESTORE_LAG_S)
        app = self.app.read()
        while not self.lock.owns(app) and self._may_lag(app) and not lag.passed:
            pause(_RESTORE_POLL_S)
            app = self.app.read()
        self.record.split = app.split
        if not self.lock.owns(app):
            return f"left to the run that took over: {app.split}"
        if not self.is_own(app.split):
            return f"left as set by someone else: {app.split}"
        # A write of ours without a response may still take effect after this read. In that case
        # the split is written even if it is already restored: Azure applies writes one at a time.
        doubtful = self._write_pending or app.busy
        if not doubtful and app.split.same_as(self.plan.pinned):
            return f"unchanged: {app.split}"
        if not self._written and not doubtful:
            return f"was not changed: {app.split}"
        now = self.app.write_split(
            self.plan.pinned,
            self.lock.tags(Phase.SHIFT) | without_succession(self.plan.candidate, app.tags),
            guard=self.assert_unchanged,
            deadline=Deadline(wait_s),
            strict=False,
        )
        self._write_pending = False
        self.record.traffic_shifted(now.split, "restored")
        return f"now {now.split}"

    def check(self) -> None:
        """Check before a write that the app is as our last write left it, and still ours.

        Raises:
            SupersededError: it has changed, or another run took over.
        """
        lag = Deadline(_LAG_S)
        for length in backoff(0.2, 2.0):
            app = self.app.read()
            if error := self._taken(app):
                if lag.passed or not self._may_lag(app):
                    raise error
            elif app.split.same_as(self._expected):
                return
            elif lag.passed or not self._may_lag(app):
                raise self._drifted(app)
            pause(length)

    def _taken(self, app: App) -> SupersededError | None:
        try:
            self.lock.check(app)
        except SupersededError as error:
            return error
        return None

    def _may_lag(self, app: App) -> bool:
        """Whether a read may still show the split from before our last write."""
        journal = Journal.from_tags(app.tags)
        foreign = journal is not None and journal.run != self.lock.journal.run
        return self.is_own(app.split) and not foreign

    def _write(self, split: Split, phase: Phase, weight: int, why: str) -> None:
        self.check()
        self._send(split, phase, weight, why)

    def _send(self, split: Split, phase: Phase, weight: int, why: str) -> None:
        tags = self.lock.tags(phase, weight)
        if self.plan.adopted and weight == FULL_TRAFFIC:
            tags |= succession(self.plan.candidate, self.plan.stable.name, self.plan.app.tags)
        self._written.append(split)
        self._write_pending = True
        now = self.app.write_split(split, tags, guard=self.assert_unchanged)
        self._write_pending, self.lock.opened = False, True
        self.record.traffic_shifted(now.split, why)

    def assert_unchanged(self, app: App) -> None:
        """Check between two attempts of one write that the app is unchanged.

        Raises:
            SupersededError: someone else has written.
        """
        if not self.is_own(app.split):
            raise self._drifted(app)
        lag = Deadline(_LAG_S)
        for length in backoff(0.2, 2.0):
            error = self._taken(app)
            if error is None:
                return
            if lag.passed or not self._may_lag(app):
                raise error
            pause(length)
            app = self.app.read()

    def _drifted(self, app: App) -> SupersededError:
        return SupersededError(
            f"Someone else changed the traffic of '{app.name}' during this run: it is "
            f"{app.split}, expected {self._expected}.",
            hint="That change was kept. Check the app's traffic before the next deployment.",
        )

    def is_own(self, split: Split) -> bool:
        """Whether *split* is the initial one, or one that this run wrote or tried to write."""
        known = (self.plan.app.split, self.plan.pinned, *self._written)
        return any(split.same_as(own_split) for own_split in known)

    def _watch(self, candidate: Revision, weight: int, when: str, *, then: str) -> None:
        stable, schedule = self.plan.stable, self.plan.schedule
        # A judged step ends when its window of Azure's minutes is complete, not by our clock.
        seconds, judged = schedule.planned_s(weight), weight in schedule.judged_weights
        stable_is_down = self.plan.stable_is_down or self.plan.is_single
        step = self.analysis.begin(
            when,
            candidate,
            stable,
            seconds=seconds,
            use_metrics=judged,
            compare_latency=not stable_is_down and not self.watch.health_path.unreachable,
        )
        self.watch.step(
            step,
            candidate,
            stable,
            seconds=seconds,
            then=then,
            stable_is_down=stable_is_down,
            assert_owned=self.check,
        )
