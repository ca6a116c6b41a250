"""The record as outputs of the action; every one is always set, so that steps may rely on it."""

from __future__ import annotations

from collections.abc import Mapping

from deploy_action.core.record import Record, Shifted

OUTPUTS: Mapping[str, str] = {
    "result": "How it ended: deployed, planned, rolled-back, repaired, unchanged, ok, or what "
    "went wrong (aborted, abort-failed, cancelled, refused, superseded, invalid, failed).",
    "version": "The add-in's version that serves now, or would.",
    "previous-version": "The version that served before.",
    "revision": "The revision that this run created or went back to.",
    "previous-revision": "The revision that held the traffic before.",
    "image": "The deployed image, by digest.",
    "digest": "Its digest alone.",
    "url": "The app's address.",
    "revision-url": "The revision's own address.",
    "traffic": "The traffic split as it was read back last.",
    "commit": "The published version commit, or empty.",
}


def values(record: Record) -> dict[str, str]:
    """Return every output's value; empty where this run learned nothing of it."""
    splits = [str(event.split) for event in record.events if isinstance(event, Shifted)]
    found = {name: record.facts.get(name, "") for name in OUTPUTS}
    if splits:
        found["traffic"] = splits[-1]
    found["result"] = record.ending.result if record.ending else "failed"
    return found
