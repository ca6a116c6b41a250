"""Makes the plan of a deployment from the app's state and the settings; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deploy_action.core.adoption import require_no_share
from deploy_action.core.analysis import Counts
from deploy_action.core.app import App, serving
from deploy_action.core.journal import MOST_TAGS, Journal
from deploy_action.core.judged_steps import analysis_lines
from deploy_action.core.observed import Observed
from deploy_action.core.phase import Phase
from deploy_action.core.plan_schedule import schedule_for
from deploy_action.core.plan_warnings import plan_warnings
from deploy_action.core.revisions.changes import Remove, TemplateChange
from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.retention import Retention
from deploy_action.core.revisions.revision import (
    Readiness,
    Revision,
    suffix_for,
)
from deploy_action.core.revisions.template import for_candidate
from deploy_action.core.revisions.template_rules import template_faults
from deploy_action.core.run import Run
from deploy_action.core.settings.schema import Settings
from deploy_action.core.single_mode import (
    copy_name,
    keeps_single_mode,
    no_ingress_lines,
    refuse_adoption,
    require_supported_mode,
    single_mode_lines,
)
from deploy_action.core.traffic.labels import Labels
from deploy_action.core.traffic.schedule import Schedule
from deploy_action.core.traffic.split import FULL_TRAFFIC, Split
from deploy_action.errors import PreflightError

if TYPE_CHECKING:  # it imports XML parsers, and a rollback reads no manifest
    from deploy_action.core.manifest.edit import Bump


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a deployment decides before it changes anything.

    Args:
        stable: the revision that holds the traffic now.
        pinned: today's split with every "latest" named; what an abort restores.
        needs_pinning: whether it has to be written first.
        candidate: full name of the revision to create.
        version: the version that it will carry, or empty.
        bump: how the manifest changes; None where it does not.
        new_secrets: names of secrets that the settings define.
        analysis_lines: which steps production traffic judges, how long they last and why.
        lease_s: the longest time between two of its writes to the app, in seconds.
        interrupted_run: the journal of an interrupted run, to recover from first.
        convert: whether the app has to be switched to Multiple revision mode first.
        container: the container that gets the image; empty for the first.
        change: the settings' changes to the candidate's template.
        adopted: the candidate, if someone else created it.
        labels: the labels that move with the traffic.
        copy: in Single revision mode, the name of the copy of *stable* that an abort creates.
    """

    run: Run
    app: App
    stable: Revision
    pinned: Split
    needs_pinning: bool
    candidate: str
    suffix: str
    provenance: Provenance
    bump: Bump | None
    version: str
    schedule: Schedule
    retention: Retention
    warnings: tuple[str, ...]
    longest_s: float
    lease_s: float
    interrupted_run: Journal | None
    convert: bool = False
    container: str = ""
    change: TemplateChange = field(default_factory=TemplateChange)
    analysis_lines: tuple[str, ...] = ()
    new_secrets: frozenset[str] = frozenset()
    adopted: Revision | None = None
    labels: Labels = field(default_factory=Labels)
    copy: str = ""

    @property
    def is_single(self) -> bool:
        """Whether the app stays in Single revision mode."""
        return bool(self.copy)

    def split_at(self, weight: int) -> Split:
        """Return the split in which the candidate has *weight*, 0-100, labels included."""
        return self.labels.split(self.pinned, self.candidate, weight)

    @property
    def is_live(self) -> bool:
        """Whether the candidate already serves, so that there is nothing to do."""
        return self.adopted is not None and self.adopted.name == self.stable.name

    def template(self, image: str) -> dict[str, Any]:
        """Return the candidate's template with *image*; that of an adopted one as it is."""
        if self.adopted:
            return dict(self.adopted.template)
        return for_candidate(
            self.stable.template,
            suffix=self.suffix,
            image=image,
            container=self.container,
            provenance=self.provenance,
            change=self.change,
            port=self.app.target_port,
        )

    @property
    def previous_version(self) -> str:
        """The version that serves now; empty if unknown."""
        return self.stable.content.version or (str(self.bump.old) if self.bump else "")

    @property
    def stable_is_down(self) -> bool:
        """Whether nothing serves now, so that there is nothing healthy to go back to."""
        return self.stable.is_down

    @property
    def journal(self) -> Journal:
        """The initial journal of this plan's run; the lock fills in phase and times."""
        return Journal(
            run=self.run.id,
            link=self.run.link,
            phase=Phase.PLAN,
            stable=self.stable.name,
            candidate=self.candidate,
            before=self.pinned,
            until=0,
            adopted=self.adopted is not None,
            labels=self.labels,
            copy=self.copy,
        )

    def lines(self) -> tuple[str, ...]:
        """Return the plan as text, one line per item."""
        version = f"{self.previous_version or 'unknown'} → {self.version or 'unchanged'}"
        return (
            f"app {self.app.name} at {self.app.url}" if self.app.fqdn else f"app {self.app.name}",
            f"version {version}",
            f"stable {self.stable.name} ({self.stable.in_words})",
            f"candidate {self.candidate}"
            + (", adopted: it is neither changed nor deactivated" if self.adopted else ""),
            f"traffic now {self.pinned}"
            + (" (follows latest, will be pinned)" if self.needs_pinning else ""),
            *([labels] if (labels := self.labels.line(self.pinned, self.candidate)) else []),
            *(["revision mode Single, to be switched to Multiple first"] if self.convert else []),
            *(
                single_mode_lines(self.candidate, self.stable.name, self.copy)
                if self.is_single
                else []
            ),
            self.schedule.describe(),
            f"bake {self.schedule.lasts_s(FULL_TRAFFIC):.0f} s",
            *self.analysis_lines,
        )


def make_plan(
    settings: Settings,
    observed: Observed,
    *,
    bump: Bump | None,
    version: str,
    commit: str,
    interrupted_run: Journal | None,
    adopted: Revision | None = None,
    recent: Counts | None = None,
) -> Plan:
    """Make the plan of a deployment.

    Args:
        settings: the settings of this run.
        observed: what was observed.
        bump: how the manifest changes; None where it does not.
        version: the version that the candidate will carry, or empty.
        commit: the commit of the candidate's image, or empty.
        interrupted_run: the journal of an interrupted run, or None.
        adopted: the candidate, if it exists already.
        recent: stable's requests in the last hour; None if metrics were not read.

    Raises:
        PreflightError: the app is not in a state to deploy to; the message says how to fix it.
    """
    stable = _stable(observed, settings)
    single = keeps_single_mode(observed.app, settings)
    taken = [revision.name for revision in observed.revisions]
    pinned = observed.app.split.pinned(stable.name)
    if adopted:
        suffix = adopted.suffix
        if single and adopted.name != stable.name:
            refuse_adoption(observed.app, adopted)
        if interrupted_run is None:  # otherwise recovery may change the traffic first
            require_no_share(adopted, pinned)
    else:
        suffix = suffix_for(
            observed.app.name,
            version=version,
            commit=commit,
            run=observed.run.id,
            taken=taken,
        )
    has_traffic = bool(observed.app.fqdn)
    schedule, longest_s = schedule_for(
        settings, recent, stable_is_down=stable.is_down, has_traffic=has_traffic
    )
    plan = Plan(
        run=observed.run,
        app=observed.app,
        stable=stable,
        pinned=pinned,
        needs_pinning=observed.app.split.follows_latest,
        candidate=f"{observed.app.name}--{suffix}",
        suffix=suffix,
        provenance=Provenance(
            version=version,
            commit=commit,
            run=observed.run.id,
            predecessor=stable.name,
            settings=observed.app.settings,
            revision=f"{observed.app.name}--{suffix}",
        ),
        bump=bump,
        version=version,
        schedule=schedule,
        retention=Retention(keep=settings.keep_revisions, active_s=settings.keep_active_s),
        warnings=tuple(plan_warnings(settings, observed, bump, stable, adopted)),
        longest_s=longest_s,
        lease_s=_lease_s(settings, schedule),
        interrupted_run=interrupted_run,
        convert=observed.app.is_single and not single,
        copy=copy_name(stable, observed.app, observed.run, taken, end="undo") if single else "",
        container=settings.container,
        change=settings.template_change,
        new_secrets=frozenset(
            name for name, item in settings.secrets.items() if not isinstance(item, Remove)
        ),
        analysis_lines=analysis_lines(schedule, settings, recent, stable_is_down=stable.is_down)
        if has_traffic
        else no_ingress_lines(settings),
        adopted=adopted,
        labels=Labels(live=settings.label_live, candidate=settings.label_candidate),
    )
    _check_template(plan)
    if not plan.journal.fits(plan.app.tags):
        raise PreflightError(
            f"The app's {len(plan.app.tags)} tags leave too little room for those of a deployment: "
            f"Azure allows {MOST_TAGS}, and this run adds {plan.journal.most_tags} until it "
            "ends.",
            hint="Remove some tags of the app.",
        )
    return plan


def _check_template(plan: Plan) -> None:
    """Refuse a template that Azure would refuse after the image was built.

    Faults that the serving template already has are ignored: Azure accepted them before.
    """
    if plan.adopted or plan.change == TemplateChange():
        return
    faults = template_faults(
        plan.template(""),
        secrets=plan.app.secret_names | plan.new_secrets,
        consumption=plan.app.runs_on_consumption,
    )
    if faults:
        raise PreflightError(
            "The planned revision cannot be created: " + " ".join(faults),
            hint="Correct template, containers, env or secrets in the settings.",
        )


def _lease_s(settings: Settings, schedule: Schedule) -> float:
    """Return the longest time between two writes of an active run, in seconds.

    Both revisions may fail for the gate timeout, and for as long as new metrics take, while a step
    or the bake waits. After the bake any run may finish the work, even within the lease.
    """
    patience_s = settings.gate_timeout_s + schedule.patience_s
    longest_s = schedule.longest_step_s + patience_s
    return longest_s + 2 * settings.operation_timeout_s


def _stable(observed: Observed, settings: Settings) -> Revision:
    app = observed.app
    require_supported_mode(app, settings)
    stable = serving(app, observed.revisions)
    if stable is None:
        raise PreflightError(
            f"App '{app.name}' has no revision that serves its traffic ({app.split}).",
            hint="Route the traffic to a healthy revision first.",
        )
    others = [
        revision.name for revision in observed.revisions if revision.readiness is Readiness.READY
    ]
    if stable.is_down and others:
        raise PreflightError(
            f"Revision '{stable.name}' receives the traffic of app '{app.name}' but is "
            f"{stable.readiness.value} ({stable.in_words}), while {', '.join(others[-3:])} could "
            "serve.",
            hint="Roll back to a healthy revision first, with the command 'rollback'.",
        )
    return stable
