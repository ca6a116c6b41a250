"""The record as outputs of the action; every output is always set."""

from __future__ import annotations

import json
from collections.abc import Mapping

from deploy_action.core.record import Record

# GitHub allows 1 MB for all outputs of a job.
LONGEST_PLAN = 100_000

OUTPUTS: Mapping[str, str] = {
    "result": "How the run ended: deployed, planned, rolled-back, repaired, unchanged, valid, "
    "ok, or what went wrong (aborted, abort-failed, cancelled, refused, superseded, "
    "invalid, failed).",
    "version": "Version of the add-in that currently serves traffic.",
    "revision": "Revision that currently serves traffic.",
    "image": "Image of that revision, by digest.",
    "digest": "Digest of that image.",
    "url": "URL of the app.",
    "revision-url": "URL of the revision that currently serves traffic.",
    "traffic": "Traffic split as last reported by Azure.",
    "traffic-json": "The same split as JSON, as in the property traffic of an app's ingress.",
    "previous-version": "Version that served before this run changed it.",
    "previous-revision": "Revision that served before this run changed it.",
    "attempted-version": "Version that this run tried to deploy.",
    "attempted-revision": "Revision that this run created, or tried to roll back to.",
    "reason": "Why the run failed; for a successful rollback, the input reason.",
    "commit": "SHA of the published version commit.",
    "pending": "Deployed version whose commit is not on the branch yet.",
    "pull-request": "URL of the pull request with the version commit.",
    "cache-keys-cleared": "Number of cache keys that this run cleared.",
    "duration": "Duration of the run in seconds.",
    "plan": "What the deployment changes, as JSON: the key plan of the report. Empty without a "
    f"plan, or if it is longer than {LONGEST_PLAN:,} characters.",
    "report": "Path of the JSON report of the run. Its schema is docs/report.schema.json.",
}


def artifact_values(artifact: str, *, folder: str, days: int) -> dict[str, str]:
    """Return the further outputs of the step, which the action's last step reads.

    Args:
        artifact: name of the artifact.
        folder: path of the folder to upload.
        days: how long GitHub keeps it; 0 uploads nothing.
    """
    return {"artifact": artifact, "log-folder": folder, "log-retention-days": str(days)}


def values(record: Record, *, report: str = "") -> dict[str, str]:
    """Return every output's value; empty if unknown.

    Args:
        record: the run.
        report: path of the JSON report.
    """
    outcome, ending = record.outcome, record.ending
    elapsed_s = ending.at if ending else record.elapsed_s
    return {
        "result": ending.result if ending else "failed",
        "version": outcome.serving.version,
        "revision": outcome.serving.revision,
        "image": outcome.serving.image,
        "digest": outcome.serving.image.partition("@")[2],
        "url": record.facts.get("url", ""),
        "revision-url": outcome.serving.url,
        "traffic": str(outcome.split) if outcome.split else "",
        "traffic-json": json.dumps(outcome.split.as_azure()) if outcome.split else "",
        "previous-version": _previous(record, "version"),
        "previous-revision": _previous(record, "revision"),
        "attempted-version": outcome.attempted.version,
        "attempted-revision": outcome.attempted.revision,
        "reason": (ending.reason if ending else "") or record.facts.get("reason", ""),
        "commit": record.facts.get("commit", ""),
        "pending": record.facts.get("pending", ""),
        "pull-request": record.facts.get("pull-request", ""),
        "cache-keys-cleared": str(record.keys_cleared),
        "duration": f"{elapsed_s:.0f}",
        "plan": _plan(record),
        "report": report,
    }


def _plan(record: Record) -> str:
    text = json.dumps(record.plan.data, ensure_ascii=False) if record.plan else ""
    return text if len(text) <= LONGEST_PLAN else ""


def _previous(record: Record, name: str) -> str:
    """Return what served before; `status` reads it from the revision's variables."""
    previous = record.outcome.previous
    value = previous.version if name == "version" else previous.revision
    return value or (record.facts.get(f"previous-{name}", "") if record.command == "status" else "")
