"""The mixed-version shield: nothing of the old version may be kept under the new one's address.

While traffic is split, a page of the new add-in may be answered by the old revision. Where that is
kept by a browser under ``?v=NEW``, the user sees the old page long after the promotion.
"""

from __future__ import annotations

from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.core.health import Verdict
from deploy_action.core.manifest import edit
from deploy_action.errors import DeployError

_MOST_PAGES = 5


def find_stale_page(
    probes: HttpProbe, *, stable: str, candidate: str, path: str, version: str
) -> str:
    """Return a page of the new version that the old revision would answer to be kept, or nothing.

    Args:
        probes: asks both.
        stable: host of the revision that serves.
        candidate: host of the one that is to serve.
        path: where the app serves its manifest.
        version: the new one.
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
