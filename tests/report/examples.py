"""Runs with each result, as scripts of events with their times; the documentation shows them.

The texts are those of real runs; names, ids and durations are typical ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.phase import Phase
from deploy_action.core.plan_diff import diff_lines
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import (
    AbortedError,
    CancelledError,
    InputError,
    PreflightError,
    RollbackIncompleteError,
    SourceLocation,
    SupersededError,
)

REGISTRY = "contoso.azurecr.io/api"
HOST = "orangetree-e53e6756.eastus.azurecontainerapps.io"
URL = f"https://api.{HOST}"
OLD = RevisionInfo(
    revision="api--v1-3-0-2-2f69842-4692-1",
    version="1.3.0.2",
    commit="2f698426b8c1d2f04b1f0f4a9a7d3a7e5c7d6b11",
    image=f"{REGISTRY}@sha256:0f3c52b7e8a94d61b2c1d5e6f7089a1b2c3d4e5f60718293a4b5c6d7e8f90a1b",
    url=f"https://api--v1-3-0-2-2f69842-4692-1.{HOST}",
)
NEW = RevisionInfo(
    revision="api--v1-3-0-3-4cb9996-4711-1",
    version="1.3.0.3",
    commit="4cb99968cd3d2c1b0a9f8e7d6c5b4a3928170615",
    image=f"{REGISTRY}@sha256:791ceb5f96166051b30b0765632812d868adbc2541aed616fc767809a2b7a514",
    url=f"https://api--v1-3-0-3-4cb9996-4711-1.{HOST}",
)
VERSION_COMMIT = "ed601d10b2c0e147b6d5d36456417972c99d5db7"
PULL = "https://github.com/contoso/addin/pull/41"
HEALTHY = "/health/ready returned 200"
MINUTE_S = 60.0


@dataclass(slots=True)
class Script:
    """A run whose time passes only where the script says so."""

    command: str = "deploy"
    now_s: float = 0.0
    record: Record = field(init=False)

    def __post_init__(self) -> None:
        self.record = Record(command=self.command, clock=lambda: self.now_s)

    def time_of_day(self) -> str:
        """Return the time as the log shows it; the run starts at 08:00:00."""
        return f"{datetime(2027, 1, 15, 8, tzinfo=UTC) + timedelta(seconds=self.now_s):%H:%M:%SZ}"

    def begin(self) -> None:
        """Say what every run knows at its start."""
        resource = (
            "/subscriptions/6f1c0de2-0000-4000-8000-5c2f1a7e9b10/resourceGroups/addin"
            "/providers/Microsoft.App/containerApps/api"
        )
        self.record.set_facts(
            environment="prod",
            app="api",
            resource_id=resource,
            repository_url="https://github.com/contoso/addin",
            run_url="https://github.com/contoso/addin/actions/runs/4711",
        )
        self.record.say("signed in with GitHub OIDC as application 46c1d0b6-a577-4033-9fe3-b388")

    @contextmanager
    def phase(self, phase: Phase, *, seconds: float = 0.4) -> Iterator[Record]:
        """Take *seconds* for a phase, before it ends well or not."""
        with self.record.phase(phase):
            try:
                yield self.record
            finally:
                self.now_s += seconds

    def restored(self, *items: tuple[str, str]) -> None:
        """Restore each item, a second one after the other."""
        for what, detail in items:
            self.now_s += 1.0
            self.record.undo_finished(what, ok=True, detail=detail)


def share(weight: int) -> Split:
    """Return a split with *weight* on the new revision."""
    return Split.of([Entry(revision=OLD.revision, weight=100)]).with_candidate(NEW.revision, weight)


STABLE = Split.of([Entry(revision=OLD.revision, weight=100)])
PLAN: Mapping[str, Any] = {
    "app": "api",
    "version": {"before": OLD.version, "after": NEW.version},
    "revision": {"before": OLD.revision, "after": NEW.revision},
    "template": [
        {"path": "containers.api.image", "before": OLD.image, "after": "(the image of this run)"},
        {"path": "containers.api.resources.cpu", "before": 0.5, "after": 1},
    ],
    "app-wide": [],
    "manifest": [{"path": "line 9", "before": OLD.version, "after": NEW.version}],
    "steps": [
        {"weights": {NEW.revision: weight, OLD.revision: 100 - weight}} for weight in (10, 50, 100)
    ],
    "cache": None,
    "deactivated": ["api--v1-3-0-0-77ab01c-4630-1"],
    "minutes": {"least": 25.4, "most": 52.3},
}


def read_everything(run: Script) -> None:
    """Make the plan of a deployment."""
    run.begin()
    with run.phase(Phase.PLAN, seconds=4.1) as record:
        record.observed(STABLE, OLD)
        record.set_facts(url=URL)
        record.say("Add-in changes: addin/app/pages.py since the deployed commit (2f698426b8)")
        record.say("version commit will be published by push to main")
        record.say(f"version {OLD.version} → {NEW.version}")
        record.say("steps 10 % → 50 % → 100 %, 600 s each")
        record.planned(tuple(diff_lines(PLAN)), PLAN)
        record.set_attempted(revision=NEW.revision, version=NEW.version, commit=NEW.commit)


def create_candidate(run: Script) -> None:
    """Do what comes before the gates."""
    read_everything(run)
    with run.phase(Phase.RECOVER):
        pass
    with run.phase(Phase.BUMP):
        pass
    with run.phase(Phase.CLEAR) as record:
        record.cleared("before", (("page:*", 120), ("config:*", 12)), complete=True)
    with run.phase(Phase.IMAGE, seconds=74.0) as record:
        record.say("Started build ca1 in registry contoso")
        record.say("Run ID: ca1 was successful after 71s")
        record.set_attempted(image=NEW.image)
    with run.phase(Phase.PIN):
        pass
    with run.phase(Phase.CREATE, seconds=21.0):
        pass


def pass_gates(run: Script) -> None:
    """Do what comes before the first users reach the candidate."""
    create_candidate(run)
    with run.phase(Phase.GATES, seconds=24.5) as record:
        record.gate_finished("platform", "pass", "Provisioned, Healthy, Running")
        record.say("health: 3 of 5 checks passed (/health/ready returned 200), 272 s left")
        record.gate_finished("health", "pass", f"{HEALTHY}, 5 times in a row")
        record.gate_finished("identity", "pass", f"reports {NEW.revision} 1.3.0.3")
        record.gate_finished("add-in", "pass", "manifest 1.3.0.3 and its 3 pages are served")
        record.set_attempted(url=NEW.url)


def step(run: Script, weight: int) -> None:
    """Pass one step."""
    run.record.traffic_shifted(share(weight), f"{weight} % to the candidate")
    run.now_s += 10 * MINUTE_S
    run.record.gate_finished(
        f"traffic at {weight} %", "pass", "2 of 1,204 requests failed, stable 11 of 9,877"
    )
    run.record.say(
        f"at {weight} %: passed after 120 checks; candidate: {HEALTHY}; stable: {HEALTHY}"
    )


def promote(run: Script) -> None:
    """Deploy up to the commit point."""
    pass_gates(run)
    with run.phase(Phase.SHIFT):
        step(run, 10)
        step(run, 50)
    with run.phase(Phase.PROMOTE, seconds=5 * MINUTE_S) as record:
        record.traffic_shifted(share(100), "promoted")


def finish(run: Script) -> None:
    """Deploy completely, except for the version commit."""
    with run.phase(Phase.REFRESH, seconds=2.2) as record:
        record.cleared("after", (("page:*", 96), ("config:*", 0)), complete=True)
        record.set_facts(cache="hit rate 93.1%, 4,112 keys, 18.0 MB")


def deployed(run: Script) -> None:
    """Deploy."""
    promote(run)
    finish(run)
    with run.phase(Phase.PUBLISH, seconds=1.9) as record:
        record.set_facts(commit=VERSION_COMMIT)
        record.say("version commit: pushed ed601d10b2 to main")
    with run.phase(Phase.RETIRE, seconds=31.0) as record:
        record.say("deactivated api--v1-3-0-0-77ab01c-4630-1")
    with run.phase(Phase.REPORT) as record:
        record.say("Deployment lock released")
    run.record.succeed("deployed")


def pull_request(run: Script) -> None:
    """Deploy to a repository whose branch takes pull requests only."""
    promote(run)
    finish(run)
    with run.phase(Phase.PUBLISH, seconds=1.9) as record:
        record.set_facts(commit=VERSION_COMMIT, pull_request=PULL, pending=NEW.version)
        record.say(f"version commit: opened pull request {PULL} with version commit ed601d10b2")
    with run.phase(Phase.RETIRE, seconds=31.0):
        pass
    with run.phase(Phase.REPORT) as record:
        record.say("Deployment lock released")
    run.record.succeed("deployed")


def planned(run: Script) -> None:
    """Plan only."""
    read_everything(run)
    run.record.succeed("planned")


def unchanged(run: Script) -> None:
    """Roll back to what serves already."""
    run.begin()
    with run.phase(Phase.PLAN, seconds=1.2) as record:
        record.observed(STABLE, OLD)
        record.attempted = OLD
        record.set_facts(url=URL)
        record.say(f"{OLD.revision} already receives all traffic")
    run.record.succeed("unchanged")


def aborted_in_gates(run: Script) -> None:
    """Abort before any user reached the candidate."""
    create_candidate(run)
    evidence = "/health/ready returned 503, 120 times"
    try:
        with run.phase(Phase.GATES, seconds=300.0) as record:
            record.gate_finished("platform", "pass", "Provisioned, Healthy, Running")
            record.gate_finished("health", "fail", evidence)
            raise AbortedError(
                "The health check did not pass 5 times in a row within 300 s: /health/ready "
                "returned 503.",
                hint="Likely cause: The database refuses the app's connections. Check the "
                "connection string and the database's firewall.",
            )
    except AbortedError as error:
        record.diagnosed(
            cause="The database refuses the app's connections.",
            hint="Check the connection string and the database's firewall.",
            log=("version 1.3.0.3 listens on port 8000", "OperationalError: connection refused"),
        )
        run.restored(
            ("the candidate", f"{NEW.revision} deactivated"),
            ("the stable revision", f"{URL}/health/ready is healthy"),
            ("the cache", "cleared: 4 keys removed"),
            ("the manifest", "as before the bump"),
            ("the deployment lock", "released"),
        )
        record.fail(error)


def aborted_in_a_step(run: Script) -> None:
    """Abort because users' requests failed."""
    pass_gates(run)
    sentence = "31 of 1,150 requests failed (2.7 %), stable 12 of 10,322 (0.1 %)"
    try:
        with run.phase(Phase.SHIFT, seconds=6 * MINUTE_S) as record:
            record.traffic_shifted(share(10), "10 % to the candidate")
            record.gate_finished("traffic at 10 %", "fail", sentence)
            raise AbortedError(f"The candidate failed the analysis of traffic at 10 %: {sentence}.")
    except AbortedError as error:
        record.traffic_shifted(STABLE, "restored")
        run.restored(
            ("the traffic", f"now 100 {OLD.revision}"),
            ("the candidate", f"{NEW.revision} deactivated"),
            ("the stable revision", f"{URL}/health/ready is healthy"),
            ("the cache", "cleared: 0 keys removed"),
            ("the manifest", "as before the bump"),
            ("the deployment lock", "released"),
        )
        record.fail(error)


def aborted_in_the_bake(run: Script) -> None:
    """Abort after the promotion, with automatic rollback still on."""
    pass_gates(run)
    with run.phase(Phase.SHIFT):
        step(run, 10)
        step(run, 50)
    try:
        with run.phase(Phase.PROMOTE, seconds=2 * MINUTE_S) as record:
            record.traffic_shifted(share(100), "promoted")
            raise AbortedError(
                "The candidate failed during the bake: /health/ready returned 500, 2 times in a "
                "row; "
                f"the stable revision at the same time: {HEALTHY}."
            )
    except AbortedError as error:
        record.traffic_shifted(STABLE, "restored")
        run.restored(
            ("the traffic", f"now 100 {OLD.revision}"),
            ("the candidate", f"{NEW.revision} deactivated"),
            ("the stable revision", f"{URL}/health/ready is healthy"),
            ("the cache", "cleared: 88 keys removed"),
            ("the manifest", "as before the bump"),
            ("the deployment lock", "released"),
        )
        record.fail(error)


def action_required(run: Script) -> None:
    """Abort, with something that could not be restored."""
    pass_gates(run)
    by_hand = (
        "az containerapp revision deactivate --resource-group addin --revision " + NEW.revision
    )
    try:
        with run.phase(Phase.SHIFT, seconds=40.0) as record:
            record.traffic_shifted(share(10), "10 % to the candidate")
            raise RollbackIncompleteError(
                "The candidate failed at 10 %: /health/ready returned 500, 2 times in a row; the "
                f"stable revision at the same time: {HEALTHY}.",
                hint=f"Not restored: the candidate ({by_hand}).",
            )
    except RollbackIncompleteError as error:
        record.traffic_shifted(STABLE, "restored")
        run.restored(("the traffic", f"now 100 {OLD.revision}"))
        record.undo_finished(
            "the candidate",
            ok=False,
            detail=f"Azure returned status 503. To restore it: {by_hand}",
            by_hand=by_hand,
        )
        run.restored(
            ("the stable revision", f"{URL}/health/ready is healthy"),
            ("the manifest", "as before the bump"),
            ("the deployment lock", "kept for the next run"),
        )
        record.fail(error)


def rolled_back(run: Script) -> None:
    """Roll back to the previous version."""
    run.begin()
    with run.phase(Phase.PLAN, seconds=1.4) as record:
        record.observed(share(100), NEW)
        record.attempted = OLD
        record.set_facts(url=URL, reason="errors at login")
        record.say(f"Traffic now: 100 {NEW.revision}")
        record.say(f"Rolling back to {OLD.revision} (Provisioned, Healthy, Running)")
    with run.phase(Phase.GATES, seconds=9.0) as record:
        record.gate_finished("platform", "pass", "Provisioned, Healthy, Running")
        record.gate_finished("health", "pass", f"{HEALTHY}, 5 times in a row")
    with run.phase(Phase.PROMOTE, seconds=3.1) as record:
        record.traffic_shifted(STABLE, "rolled back")
    with run.phase(Phase.REFRESH, seconds=1.0) as record:
        record.cleared("rollback", (("page:*", 140),), complete=True)
    with run.phase(Phase.REPORT):
        pass
    run.record.succeed("rolled-back")


def refused(run: Script) -> None:
    """Refuse what would fail."""
    run.begin()
    with run.phase(Phase.PLAN, seconds=1.8) as record:
        record.observed(STABLE, OLD)
        record.set_facts(url=URL)
    run.record.fail(
        PreflightError(
            "Identity 46c1d0b6-a577-4033-9fe3-b388 is not allowed to push to registry contoso.",
            hint="Assign it the role AcrPush: az role assignment create --role AcrPush …",
        )
    )


def invalid(run: Script) -> None:
    """Reject wrong settings."""
    place = SourceLocation(file=".github/deploy-action.yml", line=7, column=16)
    run.record.fail(
        InputError(
            "Setting traffic-steps: '10,5' does not increase.",
            hint="Nothing was changed.",
            place=place,
        )
    )


def superseded(run: Script) -> None:
    """Leave the app to another run."""
    run.begin()
    with run.phase(Phase.PLAN, seconds=1.1) as record:
        record.observed(share(10), OLD)
        record.set_facts(url=URL)
    run.record.fail(
        SupersededError(
            "Run 4710.1.k3f9 (https://github.com/contoso/addin/actions/runs/4710) has been "
            "deploying this app for 412 s, in phase shift.",
            hint="Wait for that run, or roll back. To wait automatically, set lock-wait.",
        )
    )


def cancelled(run: Script) -> None:
    """Cancel the job during a step."""
    pass_gates(run)
    try:
        with run.phase(Phase.SHIFT, seconds=95.0) as record:
            record.traffic_shifted(share(10), "10 % to the candidate")
            raise CancelledError(2)
    except CancelledError as error:
        record.traffic_shifted(STABLE, "restored")
        run.restored(
            ("the traffic", f"now 100 {OLD.revision}"),
            ("the candidate", f"{NEW.revision} deactivated"),
            ("the manifest", "as before the bump"),
            ("the deployment lock", "released"),
        )
        record.fail(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One documented run: its command, and what happens."""

    command: str
    play: Callable[[Script], None]


EXAMPLES: Mapping[str, Example] = {
    "deployed": Example(command="deploy", play=deployed),
    "deployed-with-pull-request": Example(command="deploy", play=pull_request),
    "planned": Example(command="deploy", play=planned),
    "unchanged": Example(command="rollback", play=unchanged),
    "rolled-back": Example(command="rollback", play=rolled_back),
    "aborted-in-gates": Example(command="deploy", play=aborted_in_gates),
    "aborted-in-a-step": Example(command="deploy", play=aborted_in_a_step),
    "aborted-in-the-bake": Example(command="deploy", play=aborted_in_the_bake),
    "action-required": Example(command="deploy", play=action_required),
    "refused": Example(command="deploy", play=refused),
    "invalid": Example(command="deploy", play=invalid),
    "superseded": Example(command="deploy", play=superseded),
    "cancelled": Example(command="deploy", play=cancelled),
}
