"""Judges one step by user requests, latency and the user's own checks.

The rules are those of `core.analysis`. Metrics arrive minutes late and in whole minutes of Azure's
clock, so a step judged by metrics ends only when its window has enough minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from deploy_action.adapters.azure_monitor import AzureMonitor, MetricsError, NoMetricsYetError
from deploy_action.adapters.http_probe import RequestLog
from deploy_action.core.analysis import (
    Counts,
    Judgement,
    Rule,
    Thresholds,
    Window,
    WindowRule,
    check_now,
    judge,
)
from deploy_action.core.analysis.checks import CustomCheck
from deploy_action.core.analysis.counts import NO_REQUESTS
from deploy_action.core.analysis.latency import FEWEST_SAMPLES, LatencyLimits, judge_latency
from deploy_action.core.analysis.verdicts import unreachable
from deploy_action.core.analysis.windows import COMPARE_MINUTES
from deploy_action.core.health import Verdict
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.errors import DeployError
from deploy_action.rollout.custom_checks import StepChecks
from deploy_action.runtime.polling import Deadline

# Azure refuses metrics of a new revision for up to a quarter of an hour.
_YOUNG_S = 900.0
_TRIES = 4  # reads in a row that fail before a step counts as not measured


def is_young(monitor: AzureMonitor, revision: Revision) -> bool:
    """Whether Azure may still refuse metrics of *revision*, because it was created lately."""
    return monitor.now_s() - revision.created_s < _YOUNG_S


class AnalysisFailedError(DeployError):
    """The candidate failed the analysis of traffic, latency or a check of the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisConfig:
    """Options of the analysis; durations in seconds.

    Args:
        off: whether nothing is judged at all.
        required: whether a missing permission refuses the deployment.
        thresholds: when counts of requests are bad.
        windows: which minutes of metrics count.
        error_classes: status classes that count as errors, such as ``5xx``.
        latency: when a candidate is too slow; None switches it off.
        checks: the user's own checks.
        abort_on_inconclusive: whether too little data rolls back.
        read_every_s: interval between reads of the metrics.
    """

    off: bool = False
    required: bool = False
    thresholds: Thresholds = field(default_factory=Thresholds)
    windows: WindowRule = field(default_factory=WindowRule)
    error_classes: frozenset[str] = frozenset({"5xx"})
    latency: LatencyLimits | None = None
    checks: tuple[CustomCheck, ...] = ()
    abort_on_inconclusive: bool = False
    read_every_s: float = 15.0


@dataclass(slots=True)
class StepAnalysis:
    """The analysis of one step.

    Args:
        config: how candidates are judged.
        record: receives verdicts and warnings.
        before: stable's requests in the hour before the deployment.
        when: names the step in messages, such as "at 10 %".
        candidate: the revision that is judged.
        stable: the revision that it is compared with.
        looks: how often the comparison with stable is made.
        monitor: reads the metrics; None where they do not judge the step.
        checks: the user's own checks.
        own_requests: the action's own requests to both.
        subject: the candidate's name in messages.
    """

    config: AnalysisConfig
    record: Record
    before: Counts
    when: str
    candidate: Revision
    stable: Revision
    looks: int
    monitor: AzureMonitor | None
    checks: StepChecks
    own_requests: RequestLog
    subject: str = "candidate"
    _began_s: float = field(init=False)
    _due: Deadline = field(init=False)
    _samples: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    _failed_reads: int = 0
    _compared: int = 0
    _samples_for_proof: int = 0

    def __post_init__(self) -> None:
        self._began_s = self.monitor.now_s() if self.monitor else 0.0
        self._due = Deadline(self.config.read_every_s)

    @property
    def measures_latency(self) -> bool:
        """Whether requests should be made alternately, and timed."""
        return self.config.latency is not None

    @property
    def longest_s(self) -> float:
        """Maximum extension of the step while its window fills."""
        return self.config.windows.shortest_step_s if self.monitor else 0.0

    def add_latency(self, candidate_s: float, stable_s: float) -> None:
        """Add how long both revisions took to answer the same request."""
        self._samples[0].append(candidate_s)
        self._samples[1].append(stable_s)

    def poll(self, *, step_is_over: bool = False) -> None:
        """Run the measurements that are due.

        Args:
            step_is_over: whether `conclude` follows, which reads the metrics itself; a read here
                would postpone that one again and again.

        Raises:
            AnalysisFailedError: the step has already failed.
        """
        for name, measured in self.checks.measure().items():
            if measured.verdict is Verdict.FAIL:
                raise self._fail(f"check '{name}'", measured.evidence)
        if self.monitor and self._due.passed and not step_is_over:
            judgement = self._read(self.monitor, final=False)
            if judgement and judgement.verdict is Verdict.FAIL:
                raise self._fail("traffic", judgement.sentence)

    def finish(self) -> str:
        """Judge the whole step; return what it still waits for, or an empty text.

        Raises:
            AnalysisFailedError: the candidate is bad, or inconclusive where that aborts.
        """
        if waiting := self._finish_traffic() or self._finish_latency():
            return waiting
        for name, measured in self.checks.measure(all_of_them=True).items():
            self._record_verdict(f"check '{name}'", measured.verdict, measured.evidence)
        return ""

    def _finish_traffic(self) -> str:
        if not self.monitor:
            return ""
        if not self._due.passed and self._failed_reads < _TRIES:
            return "the next read of the metrics"
        judgement = self._read(self.monitor, final=True)
        if judgement is None:
            return "enough minutes of metrics"
        if judgement.verdict is Verdict.UNREACHABLE and self._failed_reads < _TRIES:
            return f"readable metrics: {judgement.reason}"
        if judgement.rule is Rule.SHARED_CAUSE:
            self._began_s = self.monitor.now_s()  # whether it ended shows only later
            return judgement.sentence
        self._record_verdict("traffic", judgement.verdict, judgement.sentence + self._usage())
        self.monitor = None
        return ""

    def _finish_latency(self) -> str:
        limits = self.config.latency
        if limits is None:
            return ""
        # The first response of a new replica is slow in every healthy app.
        ours, theirs = (samples[1:] for samples in self._samples)
        judgement = judge_latency(ours, theirs, limits)
        if judgement.verdict is Verdict.INCONCLUSIVE:
            if self.config.required:
                return f"{FEWEST_SAMPLES} responses from each revision"
            self.record.say(f"latency {self.when}: not compared, {judgement.reason}")
            return ""
        if judgement.verdict is Verdict.FAIL and len(ours) < self._proof_at(len(ours)):
            return f"a second latency comparison: {judgement.reason}"
        self._record_verdict("latency", judgement.verdict, judgement.reason)
        return ""

    def _proof_at(self, samples: int) -> int:
        """Return how many samples make a bad latency final: twice as many as a verdict needs."""
        self._samples_for_proof = self._samples_for_proof or samples + FEWEST_SAMPLES
        return self._samples_for_proof

    def _read(self, monitor: AzureMonitor, *, final: bool) -> Judgement | None:
        """Read both sides' counts and judge them; None while there is too little data."""
        self._due = Deadline(self.config.read_every_s)
        rule = self.config.windows
        window = rule.window(began_s=self._began_s, now_s=monitor.now_s())
        # A read without a window shows early whether metrics can be read, and Azure's time.
        requested = window or rule.before(self._began_s)
        try:
            candidate = self._counts(monitor, self.candidate, requested)
            stable = self._counts(monitor, self.stable, requested)
            restarts = self._restarts(monitor, requested)
        except MetricsError as error:
            self._failed_reads += 1
            return unreachable(str(error))
        self._failed_reads = 0
        if window is None:
            return None
        thresholds = self._thresholds(window, final=final)
        decide = judge if thresholds else check_now
        judgement = decide(
            candidate,
            stable,
            thresholds or self.config.thresholds,
            before=self.before,
            restarts=restarts,
        )
        if restarts == 1 and final:
            self.record.warn(f"A container of the candidate restarted {self.when}.")
        return judgement

    def _thresholds(self, window: Window, *, final: bool) -> Thresholds | None:
        """Return the thresholds of a comparison, or None if this check makes none."""
        planned = min(window.minutes // COMPARE_MINUTES, self.looks - 1)
        if not final and planned <= self._compared:
            return None
        self._compared = planned
        return replace(self.config.thresholds, looks=self.looks)

    def _counts(self, monitor: AzureMonitor, revision: Revision, window: Window) -> Counts:
        try:
            classes = monitor.requests_by_class(revision.name, window)
        except NoMetricsYetError:
            if not is_young(monitor, revision):
                raise
            return NO_REQUESTS
        # Health requests go to the revision's own URL and are counted like users' requests.
        own = self.own_requests.by_class(revision.fqdn, window.start_s, window.end_s)
        return Counts.of_users(classes, own, self.config.error_classes)

    def _restarts(self, monitor: AzureMonitor, window: Window) -> int:
        try:
            return monitor.restart_minutes(self.candidate.name, window)
        except NoMetricsYetError:
            if not is_young(monitor, self.candidate):
                raise
            return 0

    def _usage(self) -> str:
        """Return CPU and memory of both sides for the report; nothing where that fails."""
        if not self.monitor:
            return ""
        rule = self.config.windows
        window = rule.window(began_s=self._began_s, now_s=self.monitor.now_s())
        sides = {self.candidate.name: "candidate", self.stable.name: "stable"}
        try:
            usage = self.monitor.usage(sides, window) if window else {}
        except MetricsError:
            return ""
        parts = [f"{sides[name]} {used}" for name, used in usage.items()]
        return f" Peak usage: {'; '.join(parts)}." if parts else ""

    def _record_verdict(self, name: str, verdict: Verdict, evidence: str) -> None:
        """Record a final verdict and act on it."""
        gate = f"{name} {self.when}"
        if verdict is Verdict.FAIL:
            raise self._fail(name, evidence)
        self.record.gate_finished(gate, str(verdict), evidence)
        if verdict is Verdict.PASS:
            return
        if self.config.abort_on_inconclusive:
            raise AnalysisFailedError(
                f"The analysis of {gate} is {verdict}: {evidence}",
                hint="There is no evidence against the candidate, but on-inconclusive is set to "
                "abort.",
            )
        self.record.warn(
            f"The analysis of {gate} is {verdict}: {evidence} The rollout continues "
            "(on-inconclusive: continue)."
        )

    def _fail(self, name: str, evidence: str) -> AnalysisFailedError:
        gate = f"{name} {self.when}"
        self.record.gate_finished(gate, str(Verdict.FAIL), evidence)
        return AnalysisFailedError(f"The {self.subject} failed the analysis of {gate}: {evidence}")
