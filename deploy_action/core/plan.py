"""From what was observed and what was asked to a plan, or a refusal with nothing changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.core.app import App, serving
from deploy_action.core.journal import Journal
from deploy_action.core.phase import Phase
from deploy_action.core.revision import (
    Provenance,
    Readiness,
    Revision,
    by_name,
    previous_of,
    suffix_for,
)
from deploy_action.core.run import Run
from deploy_action.core.schedule import Schedule
from deploy_action.core.settings import Settings
from deploy_action.core.split import Split
from deploy_action.errors import InputError, PreflightError, SupersededError

if TYPE_CHECKING:  # it brings XML parsers, and a rollback reads no manifest
    from deploy_action.core.manifest import Bump

PUBLISH_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The world as one look showed it.

    Args:
        now: seconds since 1970.
    """

    app: App
    revisions: tuple[Revision, ...]
    run: Run
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a deployment decides before it changes anything.

    Args:
        stable: the revision that holds the traffic now.
        pinned: today's split with every "latest" named; what an abort goes back to.
        pin: whether it has to be written first.
        candidate: full name of the revision to create.
        version: the version that it will carry, or empty.
        bump: how the manifest changes; None where it does not.
        silence_s: the longest time between two of its writes to the app, in seconds.
        left_behind: the journal of a dead run, to be settled before anything else.
    """

    run: Run
    app: App
    stable: Revision
    pinned: Split
    pin: bool
    candidate: str
    suffix: str
    provenance: Provenance
    bump: Bump | None
    version: str
    schedule: Schedule
    keep: int
    warnings: tuple[str, ...]
    longest_s: float
    silence_s: float
    left_behind: Journal | None

    @property
    def previous_version(self) -> str:
        """The version that serves now, as far as anything says."""
        return self.stable.provenance.version or (str(self.bump.old) if self.bump else "")

    def journal(
        self, phase: Phase, now: float, *, since: float = 0.0, weights: tuple[int, ...] = ()
    ) -> Journal:
        """Return the journal of this plan's run in *phase*; see there.

        It is taken for dead when nothing was written for as long as the longest silence that a
        living run can keep.
        """
        return Journal(
            run=self.run.id,
            link=self.run.link,
            phase=phase,
            stable=self.stable.name,
            candidate=self.candidate,
            before=self.pinned,
            since=int(since or now),
            until=int(now + self.silence_s),
            weights=weights,
        )

    def lines(self) -> tuple[str, ...]:
        """Return the plan in words, a line each."""
        steps = " → ".join(f"{weight} %" for weight in (*self.schedule.steps, 100))
        version = f"{self.previous_version or 'unknown'} → {self.version or 'unchanged'}"
        return (
            f"app {self.app.name} at https://{self.app.fqdn}",
            f"version {version}",
            f"stable {self.stable.name} ({self.stable.in_words})",
            f"candidate {self.candidate}",
            f"traffic now {self.pinned}" + (", to be pinned first" if self.pin else ""),
            f"steps {steps}, {self.schedule.interval_s:.0f} s each",
            f"bake {self.schedule.bake_s:.0f} s",
            f"time at least {self.schedule.shortest_s():.0f} s, at most {self.longest_s:.0f} s",
        )


def make_plan(
    settings: Settings,
    seen: Observed,
    *,
    bump: Bump | None,
    version: str,
    left_behind: Journal | None,
) -> Plan:
    """Decide.

    Args:
        settings: what was asked.
        seen: what was observed.
        bump: how the manifest changes; None where it does not.
        version: the version that the candidate will carry, or empty.
        left_behind: the journal of a dead run, or None.

    Raises:
        PreflightError: the app is not in a state to deploy to; the message says how to mend it.
    """
    stable = _stable(seen)
    suffix = suffix_for(
        seen.app.name,
        version=version,
        commit=seen.run.commit,
        run=seen.run.id,
        taken=[revision.name for revision in seen.revisions],
    )
    schedule = Schedule.of(settings.traffic_steps, settings.step_interval, settings.bake)
    return Plan(
        run=seen.run,
        app=seen.app,
        stable=stable,
        pinned=seen.app.split.pinned(stable.name),
        pin=seen.app.split.follows_latest,
        candidate=f"{seen.app.name}--{suffix}",
        suffix=suffix,
        provenance=Provenance(
            version=version, commit=seen.run.commit, run=seen.run.id, predecessor=stable.name
        ),
        bump=bump,
        version=version,
        schedule=schedule,
        keep=settings.keep_revisions,
        warnings=tuple(_warnings(settings, seen, bump)),
        longest_s=schedule.longest_s(settings.gate_timeout, settings.build_timeout)
        + PUBLISH_S
        + settings.drain_time,
        silence_s=max(settings.gate_timeout, settings.step_interval, settings.bake)
        + 2 * settings.operation_timeout,
        left_behind=left_behind,
    )


def check_journal(seen: Observed) -> Journal | None:
    """Return the journal of a dead run that must be dealt with first, or None.

    Raises:
        SupersededError: a run that may still be alive holds the app.
    """
    journal = Journal.from_tags(seen.app.tags)
    if journal is None or journal.run == seen.run.id:
        return journal
    if journal.alive(seen.now):
        left = int(journal.until - seen.now)
        raise SupersededError(
            f"{journal.holder(seen.now)}; it counts as dead in {left} s.",
            hint="Wait for it (input lock-wait does), or, once it is known to be dead, run the "
            "command 'repair' with take-over: true.",
        )
    return journal


def _stable(seen: Observed) -> Revision:
    app = seen.app
    if app.mode.lower() != "multiple":
        raise PreflightError(
            f"App '{app.name}' is in {app.mode} revision mode, but a candidate beside the live "
            "revision needs Multiple.",
            hint=f"Run once: az containerapp revision set-mode --mode multiple --name {app.name}",
        )
    if not app.fqdn:
        raise PreflightError(
            f"App '{app.name}' has no ingress, so there is no traffic to move.",
            hint="Enable ingress on the app.",
        )
    stable = serving(app, seen.revisions)
    if stable is None:
        raise PreflightError(
            f"App '{app.name}' has no revision that serves its traffic ({app.split}).",
            hint="Give the traffic to a healthy revision first.",
        )
    if stable.readiness in {Readiness.FAILED, Readiness.INACTIVE}:
        raise PreflightError(
            f"Revision '{stable.name}' holds the traffic of app '{app.name}' but is "
            f"{stable.readiness.value} ({stable.in_words}).",
            hint="Roll back to a healthy revision first, with the command 'rollback'.",
        )
    return stable


def _warnings(settings: Settings, seen: Observed, bump: Bump | None) -> list[str]:
    found = [note.text for note in bump.warnings] if bump else []
    if not settings.identity_path:
        found.append(
            "The candidate is not asked who it is: set identity-path to a path whose JSON names "
            "the revision."
        )
    if seen.app.split.heaviest().weight < 100:
        found.append(f"Traffic is split already before this run: {seen.app.split}.")
    return found


def rollback_target(wanted: str, seen: Observed) -> Revision:
    """Return the revision to go back to: the one named, or the previous by provenance.

    Raises:
        InputError: there is no revision of that name.
        PreflightError: no previous is known, or it already serves.
    """
    stable = serving(seen.app, seen.revisions)
    if wanted:
        full = wanted if "--" in wanted else f"{seen.app.name}--{wanted}"
        target = by_name(seen.revisions, full)
        if target is None:
            names = ", ".join(revision.name for revision in reversed(seen.revisions[-5:]))
            raise InputError(
                f"Input revision: app '{seen.app.name}' has no revision '{full}'.",
                hint=f"The newest are: {names}.",
            )
    else:
        journal = Journal.from_tags(seen.app.tags)
        if journal and not journal.phase.forward_only:
            # A rollout is under way or died: the way back is the stable that it began with.
            target = by_name(seen.revisions, journal.stable)
        else:
            target = previous_of(stable, seen.revisions) if stable else None
        if target is None:
            raise PreflightError(
                f"App '{seen.app.name}' does not know which revision came before "
                f"'{stable.name if stable else 'nothing'}'.",
                hint="Name the revision to go back to in the input revision.",
            )
    if target.provisioning_state.lower() == "failed" and not target.active:
        raise PreflightError(
            f"Revision '{target.name}' failed to start before ({target.in_words}), so going back "
            "to it would not help.",
            hint=_healthy_others(target, seen.revisions),
        )
    return target


def _healthy_others(target: Revision, revisions: Collection[Revision]) -> str:
    good = [
        revision.name
        for revision in revisions
        if revision.name != target.name and revision.provisioning_state.lower() == "provisioned"
    ]
    return f"These were provisioned: {', '.join(good[-3:])}." if good else ""
