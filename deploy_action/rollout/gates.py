"""The checks that a candidate must pass on its own URL before it gets user traffic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.adapters.shell import Shell
from deploy_action.core.amount import amount
from deploy_action.core.app import App
from deploy_action.core.health import Measurement, Streak, Verdict
from deploy_action.core.identity import Identity
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Readiness, Revision
from deploy_action.errors import DeployError, PreflightError
from deploy_action.rollout.deployed_version import require_not_lower, served_by
from deploy_action.rollout.health_path import HealthPath, platform_health
from deploy_action.runtime.polling import Deadline, PollTimeoutError, pause, poll_until, waiting

if TYPE_CHECKING:  # loads the SDK of Azure, and XML parsers
    from deploy_action.adapters.container_app import ContainerApp
    from deploy_action.adapters.http_probe import HttpProbe
    from deploy_action.core.manifest.edit import Manifest

_SERVED_VERSION_S = 10.0  # the plan does not wait longer for one page of the app


_SERVING_CHECKS = 3
_APP_HEALTH = "health of the app"  # after an abort or a rollback, at the app's own URL


class GateFailedError(DeployError):
    """The candidate did not pass a gate; the message names the gate and the evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """Which gates run; a gate with an empty path is skipped. Durations in seconds.

    *manifest_path_is_explicit*: whether the user named the path of the served manifest. Without
    it, an app that does not serve its manifest passes.
    """

    health_path: HealthPath
    passes: int
    interval_s: float
    timeout_s: float
    identity_path: str = ""
    manifest_path: str = ""
    manifest_path_is_explicit: bool = True
    smoke_test: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Runs the gates in order and records each result."""

    app: ContainerApp
    probes: HttpProbe
    shell: Shell
    config: GateConfig
    record: Record

    def run(self, name: str, *, version: str) -> Revision:
        """Run all gates on the revision *name*; return its state from when it became ready.

        Args:
            name: the revision's full name.
            version: the version that it and its manifest must report; empty accepts any.

        Raises:
            GateFailedError: a gate failed, or did not pass in time.
        """
        config, deadline = self.config, Deadline(self.config.timeout_s)
        revision = self._started(name, deadline)
        probes = self.probes.until(deadline)
        self._streak(lambda: self._healthy(probes, revision, deadline), deadline)
        if config.identity_path and not config.health_path.unreachable:
            self._once("identity", lambda: self._identity(probes, revision, version))
        if config.manifest_path and not config.health_path.unreachable:
            self._addin(probes, revision.fqdn, version)
        if config.smoke_test:
            self._once("smoke test", lambda: self._smoke_test(revision, deadline))
        return revision

    def served_version(self, host: str) -> str:
        """Return the version in the manifest that *host* serves, or nothing."""
        if not self.config.manifest_path or self.config.health_path.unreachable:
            return ""
        _, served = self._served(self.probes.until(Deadline(_SERVED_VERSION_S)), host)
        return str(served.version) if served else ""

    def require_not_lower(self, host: str, stable: Revision) -> str:
        """Return the version that *host* serves, for an image that does not state its version.

        Raises:
            GateFailedError: it is lower than the version of *stable*.
        """
        version = self.served_version(host)
        try:
            require_not_lower(version, served_by(stable, self.served_version), "")
        except PreflightError as error:
            raise GateFailedError(error.message) from None
        return version

    def verify(self, host: str, revision: Revision) -> str:
        """Check only the health of *host*, where *revision* serves, as after an abort.

        Raises:
            GateFailedError: it is not healthy.
        """
        path, deadline = self.config.health_path.of(revision), Deadline(self.config.timeout_s)
        if self.config.health_path.unreachable:
            name = revision.name
            self._streak(lambda: platform_health(self.app, name, deadline), deadline, _APP_HEALTH)
            return f"the platform reports {name} as healthy"
        probes = self.probes.until(deadline)
        self._streak(lambda: probes.healthy(host, path), deadline, _APP_HEALTH)
        return f"https://{host}{path} is healthy"

    def learn_reach(self, app: App, stable: Revision | None) -> str:
        """Find out whether an app with internal ingress answers this runner.

        From outside its network, Azure does not answer, or answers 403 or 404 itself.

        Args:
            app: the app.
            stable: the revision that serves; None if none does.

        Returns:
            A warning if it does not, else an empty text.
        """
        if not app.is_internal:
            return ""
        measurement = self.probes.healthy(app.fqdn, self.config.health_path.of(stable))
        outside = measurement.status in {403, 404}
        if measurement.verdict is not Verdict.UNREACHABLE and not outside:
            return ""
        self.config.health_path.unreachable = "this runner is outside the app's network"
        smoke_test = "" if self.config.smoke_test else " Set smoke-test to check more."
        return (
            "The app has internal ingress and does not answer this runner "
            f"({measurement.evidence}), so its revisions are judged by the state that the platform "
            f"reports, not by requests.{smoke_test}"
        )

    def check_serving(self, app: App, stable: Revision | None) -> str:
        """Check the health path on the app that serves now, before anything is changed.

        Args:
            app: the app.
            stable: the revision that serves; None if none does.

        Returns:
            A warning, or an empty text.

        Raises:
            PreflightError: the app does not have the path, so no candidate could pass.
        """
        if warning := self.learn_reach(app, stable):
            return warning
        host = app.fqdn
        if not host or stable is None or stable.is_down:
            return ""
        path = self.config.health_path.of(stable)
        for _ in range(_SERVING_CHECKS):
            measurement = self.probes.healthy(host, path)
            if measurement.verdict is Verdict.PASS:
                return ""
            pause(self.config.interval_s)
        status = measurement.status
        if 400 <= status < 500 and status not in {408, 429}:
            raise PreflightError(
                f"The running app does not pass its health check: {measurement.evidence}.",
                hint=f"Set health-path to a path that returns 200; '{path}' does not.",
            )
        return f"The app was already unhealthy before this deployment: {measurement.evidence}."

    def _started(self, name: str, deadline: Deadline) -> Revision:
        """Wait until the platform reports the revision as healthy, or as scaled to zero."""

        def probe() -> tuple[Revision | None, str]:
            revision = self.app.revision(name, deadline)
            if revision is None:
                return None, "the revision is not listed yet"
            if revision.readiness is Readiness.FAILED:
                raise GateFailedError(
                    f"Revision '{name}' failed to start: {revision.in_words}.",
                    hint="Check its container log in Azure, then its image, command and secrets.",
                )
            ready = revision.readiness in {Readiness.READY, Readiness.IDLE}
            return (revision if ready else None), f"Azure reports {revision.in_words}"

        try:
            candidate = poll_until(
                probe, what=f"revision '{name}' to be ready", deadline=deadline, most=1.0
            )
        except PollTimeoutError as error:
            self.record.gate_finished("platform", str(Verdict.FAIL), error.message)
            raise self._never_ready(name, error) from None
        except GateFailedError as error:
            self.record.gate_finished("platform", str(Verdict.FAIL), error.message)
            raise
        self.record.gate_finished("platform", str(Verdict.PASS), candidate.in_words)
        return candidate

    def _never_ready(self, name: str, error: PollTimeoutError) -> GateFailedError:
        """Return the error, with the state of the containers that did not become ready."""
        try:
            sick = [item for item in self.app.containers(name) if not item.ready]
        except DeployError:
            sick = []
        if not sick:
            return GateFailedError(error.message, hint="Check the revision's log stream in Azure.")
        words = sick[0].in_words
        return GateFailedError(
            f"{error.message} {words[:1].upper()}{words[1:]}.", hint=sick[0].remedy
        )

    def _healthy(self, probes: HttpProbe, revision: Revision, deadline: Deadline) -> Measurement:
        if self.config.health_path.unreachable:
            return platform_health(self.app, revision.name, deadline)
        answer = probes.healthy(revision.fqdn, self.config.health_path.of(revision))
        if answer.verdict is not Verdict.PASS:
            now = self.app.revision(revision.name, deadline)
            if now is not None and now.readiness is Readiness.FAILED:
                return Measurement(
                    verdict=Verdict.FAIL, evidence=f"{answer.evidence}; {now.in_words}"
                )
        return answer

    def _identity(self, probes: HttpProbe, revision: Revision, version: str) -> Measurement:
        expected = Identity(
            revision=revision.name,
            version=version or revision.content.version,
            commit=revision.content.commit,
        )
        return probes.identity(revision.fqdn, self.config.identity_path, expected)

    def _smoke_test(self, revision: Revision, deadline: Deadline) -> Measurement:
        command = self.config.smoke_test
        with waiting(lambda: f"smoke test in progress, {deadline.remaining:.0f} s left"):
            return self.shell.check(
                command,
                {"CANDIDATE_URL": revision.info.url, "CANDIDATE_REVISION": revision.name},
                timeout_s=deadline.remaining,
            )

    def _streak(
        self, ask: Callable[[], Measurement], deadline: Deadline, gate: str = "health"
    ) -> None:
        streak, evidence = Streak(needed=self.config.passes), "no response yet"

        def progress() -> str:
            return (
                f"health: {streak.passes} of {streak.needed} checks passed ({evidence}), "
                f"{deadline.remaining:.0f} s left"
            )

        with waiting(progress):
            while True:
                answer = ask()
                streak, evidence = streak.after(answer.verdict), answer.evidence
                if streak.complete:
                    summary = f"{evidence}, {amount(streak.passes, 'time')} in a row"
                    self.record.gate_finished(gate, str(answer.verdict), summary)
                    return
                if deadline.remaining < self.config.interval_s or deadline.passed:
                    self.record.gate_finished(gate, str(answer.verdict), evidence)
                    raise GateFailedError(
                        f"The health check did not pass {streak.needed} times in a row within "
                        f"{deadline.seconds:.0f} s: {evidence}.",
                        hint="Check the response of that path on the revision's own URL, and the "
                        "revision's log.",
                    )
                pause(self.config.interval_s)

    def _once(self, gate: str, ask: Callable[[], Measurement]) -> None:
        answer = ask()
        self.record.gate_finished(gate, str(answer.verdict), answer.evidence)
        if answer.verdict is not Verdict.PASS:
            failed = answer.verdict is Verdict.FAIL
            outcome = "failed" if failed else f"is {answer.verdict}"
            raise GateFailedError(f"The {gate} gate {outcome}: {answer.evidence}.")

    def _addin(self, probes: HttpProbe, host: str, version: str) -> None:
        answer, served = self._served(probes, host)
        if served is None and not self.config.manifest_path_is_explicit:
            self.record.say(f"manifest check skipped: {answer.evidence}")
            return
        self._once(
            "add-in", lambda: self._pages(probes, host, version, served) if served else answer
        )

    def _served(self, probes: HttpProbe, host: str) -> tuple[Measurement, Manifest | None]:
        """Fetch the served manifest; without one, the measurement says why."""
        from deploy_action.core.manifest import edit  # noqa: PLC0415  loads XML parsers

        path = self.config.manifest_path
        answer, body = probes.body(host, path)
        if answer.verdict is not Verdict.PASS:
            return answer, None
        try:
            return answer, edit.read(body, file=path)
        except DeployError as error:
            evidence = f"the served manifest: {error.message}"
            return Measurement(verdict=Verdict.FAIL, evidence=evidence), None

    def _pages(self, probes: HttpProbe, host: str, version: str, served: Manifest) -> Measurement:
        """Check that the served manifest has the version and that its own pages respond."""
        if version and str(served.version) != version:
            evidence = f"the served manifest has version {served.version}, expected {version}"
            return Measurement(verdict=Verdict.FAIL, evidence=evidence)
        for page in sorted(served.paths):
            answered = probes.page(host, page)
            if answered.verdict is not Verdict.PASS:
                return answered
        evidence = f"manifest {served.version} and its {len(served.paths)} pages are served"
        return Measurement(verdict=Verdict.PASS, evidence=evidence)
