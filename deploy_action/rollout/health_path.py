"""Health checks of a revision: requests to its URL, or the platform's state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy_action.core.app import App
from deploy_action.core.health import Measurement, Verdict
from deploy_action.core.revisions.containers import readiness_path
from deploy_action.core.revisions.revision import Revision
from deploy_action.runtime.polling import Deadline

if TYPE_CHECKING:  # loads the SDK of Azure
    from deploy_action.adapters.container_app import ContainerApp

_LAST_RESORT = "/health"


class HealthPath:
    """The configured path, or that of a revision's own readiness probe, or ``/health``.

    Args:
        configured: the setting; empty if the user did not set it.
    """

    def __init__(self, configured: str) -> None:
        self._configured = configured
        self._port = 0
        self._of_stable = ""
        self.unreachable = ""  # why this runner cannot request the app's URLs; usually empty

    def detect(self, app: App, stable: Revision | None) -> None:
        """Take the port of the ingress, and the probe of the serving revision if there is one."""
        self._port = app.target_port
        self._of_stable = readiness_path(stable.template, self._port) if stable else ""
        if not app.fqdn:
            self.unreachable = "the app has no ingress"

    def of(self, revision: Revision | None) -> str:
        """Return the path for *revision*; without a probe of its own, that of the serving one."""
        if self._configured:
            return self._configured
        own = readiness_path(revision.template, self._port) if revision else ""
        return own or self._of_stable or _LAST_RESORT


def platform_health(app: ContainerApp, name: str, deadline: Deadline | None = None) -> Measurement:
    """Return whether the platform reports that revision *name* can serve."""
    revision = app.revision(name, deadline)
    if revision is None:
        return Measurement(verdict=Verdict.FAIL, evidence=f"revision '{name}' does not exist")
    verdict = Verdict.PASS if revision.can_serve else Verdict.FAIL
    return Measurement(verdict=verdict, evidence=f"the platform reports {revision.in_words}")
