"""Monitors a revision with user traffic: health of both revisions, then the analysis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.core.amount import amount
from deploy_action.core.health import Measurement, Verdict
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.errors import DeployError
from deploy_action.rollout.health_path import HealthPath, platform_health
from deploy_action.rollout.step_analysis import StepAnalysis
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.polling import Deadline, monotonic, pause, waiting

_OWNERSHIP_EVERY_S = 10.0  # a rollback must not wait for the end of a long step
_BAD_ROUNDS = 2  # in a row: one failed check is not a verdict


class StepFailedError(DeployError):
    """The revision failed while it had user traffic."""


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Describes a step for the log's lines of progress."""

    when: str
    subject: str
    then: str
    deadline: Deadline
    rounds: int = 0
    evidence: str = "no response yet"
    missing: str = ""  # what the analysis waits for after the end of the step

    def __call__(self) -> str:
        if self.missing:
            return f"{self.when}: waiting for {self.missing}"
        return (
            f"{self.when}: {amount(self.rounds, 'check')}, {self.subject}: {self.evidence}; "
            f"{self.then} in {self.deadline.remaining:.0f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Monitors revisions.

    Args:
        probes: sends the health requests.
        record: receives what was measured.
        app: where the platform's state is read if requests do not reach the app.
        health_path: the path of the health requests.
        check_interval_s: interval between two rounds, in seconds.
        patience_s: how long both revisions may fail before the step fails, in seconds.
        subject: the monitored revision's name in messages.
    """

    app: ContainerApp
    probes: HttpProbe
    record: Record
    health_path: HealthPath
    check_interval_s: float
    patience_s: float
    subject: str = "candidate"

    def step(
        self,
        analysis: StepAnalysis,
        candidate: Revision,
        stable: Revision,
        *,
        seconds: float,
        then: str = "end",
        stable_is_down: bool = False,
        assert_owned: Callable[[], None] = lambda: None,
    ) -> None:
        """Monitor until the time is over and the analysis is complete, for at least one round.

        The candidate is compared with stable: if both fail, the cause is shared and the
        candidate keeps its weight until they recover or *patience_s* has passed.

        Args:
            analysis: judges production traffic, latency and the user's own checks.
            candidate: the revision that is watched.
            stable: the revision that it is compared with.
            seconds: how long the step lasts.
            then: what follows, for the log's lines of progress.
            stable_is_down: whether stable cannot serve anyway.
            assert_owned: called every few seconds; raises if another run took over.

        Raises:
            StepFailedError: the candidate failed its health checks, or both failed too long.
            AnalysisFailedError: the candidate failed the analysis.
        """
        deadline = Deadline(seconds)
        progress = _Progress(when=analysis.when, subject=self.subject, then=then, deadline=deadline)
        with waiting(progress):
            self._watch(
                progress,
                analysis,
                candidate,
                stable,
                stable_is_down=stable_is_down,
                assert_owned=assert_owned,
            )

    def _watch(
        self,
        progress: _Progress,
        analysis: StepAnalysis,
        candidate: Revision,
        stable: Revision,
        *,
        stable_is_down: bool,
        assert_owned: Callable[[], None],
    ) -> None:
        deadline, seconds = progress.deadline, progress.deadline.seconds
        patience = Deadline(seconds + self.patience_s + analysis.longest_s)
        ownership = Deadline(_OWNERSHIP_EVERY_S)
        bad = rounds = 0
        while True:
            candidate_check, stable_check = self._round(
                analysis, candidate, stable, rounds, stable_is_down
            )
            rounds += 1
            progress.rounds, progress.evidence = rounds, candidate_check.evidence
            good = candidate_check.verdict is Verdict.PASS
            shared = not good and stable_check.verdict is not Verdict.PASS and not stable_is_down
            bad = 0 if good else bad + (not shared)
            if bad >= _BAD_ROUNDS:
                raise StepFailedError(
                    f"The {self.subject} failed {analysis.when}: {candidate_check.evidence}, "
                    f"{bad} times in a row; the stable revision at the same time: "
                    f"{stable_check.evidence}.",
                )
            if shared and patience.passed:
                raise self._shared(analysis.when, candidate_check, stable_check)
            if shared:
                self.record.say(
                    f"{analysis.when}: both revisions are failing, traffic is unchanged: "
                    f"{stable_check.evidence}"
                )
            if ownership.passed:
                assert_owned()
                ownership = Deadline(_OWNERSHIP_EVERY_S)
            is_over = deadline.passed and good
            analysis.poll(step_is_over=is_over)
            if is_over:
                before, progress.missing = progress.missing, analysis.finish()
                if not progress.missing:
                    self.record.say(
                        f"{analysis.when}: passed after {amount(rounds, 'check')}; "
                        f"{self.subject}: {candidate_check.evidence}; "
                        f"stable: {stable_check.evidence}"
                    )
                    return
                if patience.passed:
                    raise StepFailedError(
                        f"The analysis {analysis.when} did not complete within "
                        f"{patience.seconds:.0f} s. Still missing: {progress.missing}.",
                        hint="If the cause is shared, such as a database, rolling back does not "
                        "fix it.",
                    )
                if progress.missing != before:
                    self.record.say(f"{analysis.when}: waiting for {progress.missing}")
            pause(min(self.check_interval_s, max(deadline.remaining, 0.05)))

    def _shared(
        self, when: str, candidate_check: Measurement, stable_check: Measurement
    ) -> StepFailedError:
        return StepFailedError(
            f"Both revisions failed {when} for {self.patience_s:.0f} s. The {self.subject}: "
            f"{candidate_check.evidence}; the stable revision: {stable_check.evidence}.",
            hint="The cause is probably shared, such as a database; rolling back does not fix it.",
        )

    def _round(
        self,
        analysis: StepAnalysis,
        candidate: Revision,
        stable: Revision,
        number: int,
        stable_is_down: bool,
    ) -> tuple[Measurement, Measurement]:
        """Check both sides at the same time, or alternately where their latency is compared."""
        by_platform = bool(self.health_path.unreachable)

        def check(revision: Revision) -> Measurement:
            if by_platform:
                return platform_health(self.app, revision.name)
            return self.probes.healthy(revision.fqdn, self.health_path.of(revision))

        if stable_is_down:
            return check(candidate), Measurement(verdict=Verdict.FAIL, evidence="does not serve")
        if by_platform or not analysis.measures_latency:
            background = BackgroundTask(lambda: check(stable))
            return check(candidate), background.result()
        # A B B A: so that neither revision always goes second.
        sides = [candidate, stable] if number % 2 == 0 else [stable, candidate]
        timed = {revision.name: _timed(check, revision) for revision in sides}
        (candidate_check, candidate_s), (stable_check, stable_s) = (
            timed[candidate.name],
            timed[stable.name],
        )
        if candidate_check.verdict is Verdict.PASS and stable_check.verdict is Verdict.PASS:
            analysis.add_latency(candidate_s, stable_s)
        return candidate_check, stable_check


def _timed(
    check: Callable[[Revision], Measurement], revision: Revision
) -> tuple[Measurement, float]:
    """Return a measurement and how long it took, in seconds."""
    began = monotonic()
    measured = check(revision)
    return measured, monotonic() - began
