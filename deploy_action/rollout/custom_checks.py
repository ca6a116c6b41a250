"""Runs the user's own checks during a step and counts the results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.adapters.log_analytics import LogAnalytics, QueryError
from deploy_action.adapters.shell import Shell
from deploy_action.core.amount import amount
from deploy_action.core.analysis.checks import CustomCheck, Source, json_value
from deploy_action.core.health import Measurement, Verdict
from deploy_action.runtime.polling import Deadline

_TIMEOUT_S = 30.0
_QUERY_MINUTES = 60


@dataclass(slots=True)
class _Tally:
    """The results of one check during a step."""

    check: CustomCheck
    due: Deadline
    failures: int = 0
    last: Measurement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSources:
    """Sources of the values of checks.

    Args:
        probes: requests to HTTPS endpoints.
        shell: runs commands.
        workspace: the Log Analytics workspace; None where none is configured.
    """

    probes: HttpProbe
    shell: Shell
    workspace: LogAnalytics | None

    def measure(self, check: CustomCheck, values: Mapping[str, str]) -> Measurement:
        """Measure once.

        Args:
            check: what to measure.
            values: replace ``{name}`` in its query, URL or command.
        """
        target = check.with_values(values)
        match check.source:
            case Source.KQL:
                return self._query(check, target)
            case Source.HTTPS:
                return self._fetch(check, target)
            case Source.SHELL:
                variables = {
                    name.replace("-", "_").upper(): value for name, value in values.items()
                }
                return self.shell.custom_check(target, variables, timeout_s=_TIMEOUT_S)

    def _query(self, check: CustomCheck, query: str) -> Measurement:
        if self.workspace is None:
            return Measurement(verdict=Verdict.UNREACHABLE, evidence="no workspace is configured")
        try:
            value = self.workspace.value(query, minutes=_QUERY_MINUTES)
        except QueryError as error:
            return Measurement(verdict=Verdict.UNREACHABLE, evidence=str(error))
        return _evaluated(check, value)

    def _fetch(self, check: CustomCheck, url: str) -> Measurement:
        host, _, path = url.removeprefix("https://").partition("/")
        answer, body = self.probes.body(host, f"/{path}")
        if answer.verdict is not Verdict.PASS:
            # A response other than 200 has no value, and only a value can break the rule.
            return Measurement(verdict=Verdict.UNREACHABLE, evidence=answer.evidence)
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            return Measurement(verdict=Verdict.INCONCLUSIVE, evidence="the response is not JSON")
        return _evaluated(check, json_value(data, check.json_path))


@dataclass(slots=True)
class StepChecks:
    """The checks of one step.

    Args:
        sources: where their values come from.
        values: replace ``{name}``.
        tallies: one for each check.
    """

    sources: CheckSources
    values: Mapping[str, str]
    tallies: list[_Tally] = field(default_factory=list)

    @classmethod
    def begin(
        cls, checks: tuple[CustomCheck, ...], sources: CheckSources, values: Mapping[str, str]
    ) -> StepChecks:
        """Start counting; the first measurement of each check is after its interval."""
        tallies = [_Tally(check=check, due=Deadline(check.interval_s)) for check in checks]
        return cls(sources=sources, values=values, tallies=tallies)

    def measure(self, *, all_of_them: bool = False) -> dict[str, Measurement]:
        """Run the checks that are due, or all; return the measurements by name.

        A failure within the check's limit counts as inconclusive until the limit is exceeded.
        """
        return {
            tally.check.name: self._measure(tally)
            for tally in self.tallies
            if all_of_them or tally.due.passed
        }

    def _measure(self, tally: _Tally) -> Measurement:
        check = tally.check
        tally.due = Deadline(check.interval_s)
        measured = self.sources.measure(check, self.values)
        tally.last = measured
        if measured.verdict is not Verdict.FAIL:
            return measured
        tally.failures += 1
        evidence = f"{measured.evidence}; failed {amount(tally.failures, 'time')} in this step"
        tolerated = tally.failures <= check.failure_limit
        return Measurement(
            verdict=Verdict.INCONCLUSIVE if tolerated else Verdict.FAIL,
            evidence=f"{evidence}, failure-limit {check.failure_limit}" if tolerated else evidence,
        )


def _evaluated(check: CustomCheck, value: object) -> Measurement:
    if check.rule is None:
        return Measurement(verdict=Verdict.INCONCLUSIVE, evidence="the check has no rule")
    verdict, evidence = check.rule.evaluate(value)
    return Measurement(verdict=verdict, evidence=evidence)
