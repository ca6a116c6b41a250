"""The status: what serves since when, a rollout in progress, and which rollbacks would work."""

from __future__ import annotations

from dataclasses import replace

from deploy_action.core.app import App
from deploy_action.core.journal import Journal, Pending
from deploy_action.core.phase import Phase
from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.rollback import rollback_check
from deploy_action.core.status import Answer, AppStatus, Rollout, app_status
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.report.table import table

NOW_S = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def revision(name: str, version: str, created: str, *, predecessor: str = "") -> Revision:
    variables = Provenance(
        version=version,
        commit=version.replace(".", "") * 10,
        run=f"47{version[-1]}.1.abc",
        revision=name,
        predecessor=predecessor,
    ).as_environment("image")
    env = [{"name": key, "value": value} for key, value in variables.items()]
    return Revision(
        name=name,
        active=True,
        created=created,
        provisioning_state="Provisioned",
        health_state="Healthy",
        running_state="Running",
        replicas=1,
        template={"containers": [{"name": "api", "image": "image", "env": env}]},
    )


OLD = revision("api--old", "1.3.0.2", "2027-01-13T07:00:00Z")
NEW = replace(
    revision("api--new", "1.3.0.3", "2027-01-15T05:00:00Z", predecessor="api--old"), weight=100
)
SPLIT = Split.of([Entry(revision="api--new", weight=100)])
APP = App(
    name="api",
    state="Succeeded",
    mode="Multiple",
    split=SPLIT,
    fqdn="api.example.com",
    unchanged_s=600.0,
)
JOURNAL = Journal(
    run="4711.1.abc",
    link="https://github.com/contoso/api/actions/runs/4711",
    phase=Phase.SHIFT,
    stable="api--new",
    candidate="api--next",
    before=SPLIT,
    since=int(NOW_S) - 90,
    until=int(NOW_S) + 60,
)


def status(app: App, *revisions: Revision, now_s: float = NOW_S) -> AppStatus:
    checks = {item.name: rollback_check(item, app) for item in revisions}
    return app_status(app, revisions, now_s=now_s, rollbacks=checks)


def locked(journal: Journal) -> App:
    return replace(APP, tags={key: text for key, text in journal.as_tags().items() if text})


def rollout(journal: Journal, *, now_s: float = NOW_S) -> Rollout:
    result = status(locked(journal), OLD, NEW, now_s=now_s).rollout
    assert result is not None
    return result


def test_the_text_names_what_serves_since_when_and_from_where() -> None:
    lines = table(status(APP, OLD, NEW)).splitlines()

    assert lines[1] == (
        "1.3.0.3 serves 100 %, deployed 2027-01-15T05:00:00Z (3 h ago) from commit 1303130 by run "
        "473.1.abc; the app has not changed for 10 min"
    )
    assert [" ".join(line.split()) for line in lines[3:]] == [
        "stable 100 % ready 1.3.0.3 3 h 1303130 api--new",
        "previous 0 % ready 1.3.0.2 2 d 1302130 yes api--old",
    ]


def test_a_rollback_to_a_revision_that_never_started_would_not_work_and_says_why() -> None:
    failed = replace(OLD, active=False, provisioning_state="Failed", details="image not found")
    now = status(APP, failed, NEW)

    assert now.rows[1].rollback.works is Answer.NO
    assert (
        "rollback to api--old: no, it failed to start before (Failed, Healthy, Running, "
        "image not found)" in table(now)
    )


def test_a_rollback_needs_multiple_or_single_revision_mode() -> None:
    checked = rollback_check(OLD, replace(APP, mode="Labels"))

    assert (checked.works, checked.reason) == (Answer.NO, "the app is in Labels revision mode")
    assert rollback_check(OLD, replace(APP, mode="Single")).works is Answer.YES


def test_a_rollout_in_progress_names_run_phase_and_duration() -> None:
    assert rollout(JOURNAL).in_progress
    assert (
        "in progress: run 4711.1.abc (https://github.com/contoso/api/actions/runs/4711) has been "
        "deploying api--next for 1 min, phase shift"
    ) in table(status(locked(JOURNAL), OLD, NEW))


def test_an_interrupted_rollout_and_unfinished_work_are_not_in_progress() -> None:
    later_s = NOW_S + 61
    pending = replace(JOURNAL, pending=(Pending.COMMIT,))

    assert not rollout(JOURNAL, now_s=later_s).in_progress
    assert "interrupted: run 4711.1.abc" in table(status(locked(JOURNAL), OLD, NEW, now_s=later_s))
    assert not rollout(pending).in_progress
    assert "left to the next run: publish the version commit" in table(
        status(locked(pending), OLD, NEW)
    )
