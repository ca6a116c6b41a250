"""Sets up how a run judges its candidate, and reads the baseline that it is compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deploy_action.adapters.azure_monitor import (
    AzureMonitor,
    MetricsError,
    MetricsForbiddenError,
    NoMetricsYetError,
)
from deploy_action.core.amount import amount
from deploy_action.core.analysis import Counts
from deploy_action.core.analysis.counts import NO_REQUESTS
from deploy_action.core.analysis.expectation import detection_probability, expected_requests
from deploy_action.core.analysis.windows import MINUTE_S
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.schedule import Schedule
from deploy_action.errors import PreflightError
from deploy_action.rollout.custom_checks import CheckSources, StepChecks
from deploy_action.rollout.step_analysis import AnalysisConfig, StepAnalysis, is_young


@dataclass(slots=True)
class Analysis:
    """The analysis of one run.

    Args:
        config: see `AnalysisConfig`.
        monitor: reads the metrics; called only where metrics judge a step.
        sources: where the user's own checks get their values.
        record: receives verdicts, warnings and lines for the plan.
        subject: the candidate's name in messages.
        before: stable's requests in the hour before the deployment.
        recent: the same for the plan; None where metrics cannot be read.
    """

    config: AnalysisConfig
    monitor: Callable[[], AzureMonitor]
    sources: CheckSources
    record: Record
    subject: str = "candidate"
    before: Counts = NO_REQUESTS
    recent: Counts | None = None
    _forbidden: bool = False

    def prepare(self, stable: Revision | None) -> None:
        """Read stable's last hour: as a baseline, for the plan, and to check the permission.

        Raises:
            PreflightError: metrics are required and this identity may not read them.
        """
        if self.config.off or stable is None or stable.is_down:
            return
        if self.read_baseline(stable, refuse=self.config.required):
            self.recent = self.before

    def announce(self, schedule: Schedule) -> None:
        """Log how much the judged steps of *schedule* will show."""
        if self.recent is None or not schedule.judged_weights:
            return
        self.record.say(f"production traffic in the last hour: {self.recent}")
        for weight in schedule.judged_weights:
            seconds = schedule.lasts_s(weight)
            minutes = int((seconds - MINUTE_S - self.config.windows.lag_s) // MINUTE_S)
            self.record.say(self._expectation(self.recent, weight, minutes))

    def read_baseline(self, stable: Revision, *, refuse: bool = False) -> bool:
        """Read the last hour of *stable*; return whether that worked.

        Args:
            stable: what the candidate is compared with.
            refuse: whether a missing permission is an error.

        Raises:
            PreflightError: this identity may not read metrics, and *refuse*.
        """
        monitor = self.monitor()
        try:
            classes = self._last_hour(monitor, stable)
        except MetricsForbiddenError as error:
            if refuse:
                raise PreflightError(
                    error.message, hint=f"{error.hint} Alternatively, set analysis: auto."
                ) from None
            self._forbidden = True
            self.record.warn(f"Production traffic is not analyzed: {error.message} {error.hint}")
            return False
        except MetricsError as error:
            self.record.warn(f"{error.message} It is retried during the steps.")
            return False
        self.before = Counts.from_classes(classes, self.config.error_classes)
        return True

    def _last_hour(self, monitor: AzureMonitor, revision: Revision) -> dict[str, float]:
        """Read the last hour by Azure's clock, which is only known from a response."""
        windows, assumed_s = self.config.windows, monitor.now_s()
        try:
            classes = monitor.requests_by_class(revision.name, windows.before(assumed_s))
            if abs(monitor.now_s() - assumed_s) < MINUTE_S:
                return classes
            return monitor.requests_by_class(revision.name, windows.before(monitor.now_s()))
        except NoMetricsYetError:
            if is_young(monitor, revision):
                return {}
            raise

    def uses_metrics(self, seconds: float) -> bool:
        """Whether production traffic judges a step of *seconds* seconds."""
        if self.config.off:
            return False
        return self.config.required or self.config.windows.fits(seconds)

    def judges(self, seconds: float) -> bool:
        """Whether a step of *seconds* seconds is judged by metrics, latency or checks."""
        return self.uses_metrics(seconds) or bool(self.config.checks)

    def _expectation(self, recent: Counts, weight: int, minutes: int) -> str:
        requests = expected_requests(recent, weight=weight, minutes=minutes)
        fewest = self.config.thresholds.min_requests
        expected = amount(requests, "request")
        where = f"at {weight} % the candidate receives about {expected} in {minutes} min"
        if requests < fewest:
            return f"{where}: too few for a verdict, at least {fewest} are required"
        probabilities = [
            f"{detection_probability(requests, requests * 9, rate, self.config.thresholds):.0%} "
            f"of candidates that fail {rate:.0%} of requests"
            for rate in (0.05, 0.3)
        ]
        return f"{where}: enough to detect {' and '.join(probabilities)}"

    def begin(
        self,
        when: str,
        candidate: Revision,
        stable: Revision,
        *,
        seconds: float,
        use_metrics: bool,
        compare_latency: bool = True,
    ) -> StepAnalysis:
        """Start to judge a step.

        Args:
            when: names the step in messages, such as "at 10 %".
            candidate: the revision that is judged.
            stable: the revision that it is compared with.
            seconds: how long the step lasts.
            use_metrics: whether production traffic judges it.
            compare_latency: whether both revisions respond, so that latencies can be compared.
        """
        values = {
            "candidate": candidate.name,
            "candidate-host": candidate.fqdn,
            "stable": stable.name,
            "stable-host": stable.fqdn,
        }
        use_metrics = use_metrics and not self._forbidden
        config = self.config if compare_latency else replace(self.config, latency=None)
        return StepAnalysis(
            config=config,
            record=self.record,
            before=self.before,
            own_requests=self.sources.probes.log,
            subject=self.subject,
            when=when,
            candidate=candidate,
            stable=stable,
            looks=self.config.windows.looks(seconds),
            monitor=self.monitor() if use_metrics else None,
            checks=StepChecks.begin(self.config.checks, self.sources, values),
        )
