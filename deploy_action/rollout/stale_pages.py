"""Stale pages: the old version must not be cached under the new version's URL.

While traffic is split, the old revision may serve a page of the new add-in. If a browser caches
that under ``?v=NEW``, the user sees the old page long after the promotion.
"""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.core.health import Verdict
from deploy_action.core.manifest import edit
from deploy_action.core.plan import Plan
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.settings.choices import StalePagePolicy
from deploy_action.errors import DeployError

_MOST_PAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class StalePages:
    """Applies the setting ``stale-pages``.

    Args:
        policy: what to do.
        probes: requests pages of both revisions.
        path: where the app serves its manifest.
        record: receives a warning.
    """

    policy: StalePagePolicy
    probes: HttpProbe
    path: str
    record: Record

    def must_shift_at_once(self, plan: Plan, candidate: Revision) -> bool:
        """Whether all traffic must shift at once; otherwise a risk is a warning."""
        if self.policy is StalePagePolicy.OFF or not plan.schedule.steps:
            return False
        page = find_stale_page(
            self.probes,
            stable=plan.stable.fqdn,
            candidate=candidate.fqdn,
            path=self.path,
            version=plan.version if plan.version != plan.previous_version else "",
        )
        if not page:
            return False
        risk = f"{plan.stable.name} serves {page} with headers that let browsers cache it"
        if self.policy is StalePagePolicy.CUT_OVER:
            self.record.say(f"{risk}: all traffic shifts at once")
            return True
        self.record.warn(
            f"{risk}: while traffic is split, users may get the old page under the new URL. Let "
            "the app mark only pages of its own version as cacheable, or set stale-pages: "
            "cut-over."
        )
        return False


def find_stale_page(
    probes: HttpProbe, *, stable: str, candidate: str, path: str, version: str
) -> str:
    """Return a page of the new version that the old revision serves as cacheable, or nothing.

    Args:
        probes: sends requests to both.
        stable: host of the revision that serves.
        candidate: host of the candidate.
        path: where the app serves its manifest.
        version: the new version.
    """
    if not (stable and path and version):
        return ""
    answer, body = probes.body(candidate, path)
    if answer.verdict is not Verdict.PASS:
        return ""
    try:
        pages = edit.read(body, file=path).paths
    except DeployError:
        return ""
    carrying = [page for page in pages if version in page.partition("?")[2]][:_MOST_PAGES]
    return next((page for page in carrying if probes.is_cacheable(stable, page)), "")
