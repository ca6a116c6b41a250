"""Checks that a candidate must pass before it receives user traffic."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.settings import parsers
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class GateSettings:
    """Health checks, identity and smoke test."""

    health_path: str = setting(
        parsers.path,
        "",
        "Path that must return 200 on the candidate's own URL. Defaults to the path of the "
        "revision's HTTP readiness probe on the target port, otherwise `/health`.",
    )
    health_passes: int = setting(
        parsers.integer(1, 100),
        "5",
        "Number of consecutive successful health checks required.",
    )
    health_interval_s: float = setting(parsers.duration, "2s", "Interval between health checks.")
    health_timeout_s: float = setting(parsers.duration, "30s", "Timeout of one health request.")
    identity_path: str = setting(
        parsers.path,
        "",
        "Path whose JSON response contains the revision, version or commit. Empty skips the check.",
    )
    manifest_path: str = setting(
        parsers.path,
        "",
        "Path at which the app serves its manifest. Defaults to the file's name at the root, and "
        "skips the check if the app does not serve it there.",
    )
    smoke_test: str = setting(
        parsers.text,
        "",
        "Shell command that must succeed. The variable CANDIDATE_URL contains the candidate's URL "
        "(empty without ingress), and CANDIDATE_REVISION its name.",
    )
    gate_timeout_s: float = setting(
        parsers.duration, "5m", "Maximum time for the candidate to pass all gates."
    )
