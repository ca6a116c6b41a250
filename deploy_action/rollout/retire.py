"""Deactivates old revisions after the drain time, except those that something depends on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.core.record import Record
from deploy_action.core.revisions.retention import Retention
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Split
from deploy_action.errors import DeployError
from deploy_action.runtime.polling import Deadline, pause, waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """Deactivates the revisions of one app that are no longer needed.

    Args:
        app: whose revisions they are.
        record: receives what was deactivated.
        retention: which revisions stay, and for how long.
        drain_s: how long to wait before the first one is deactivated, in seconds.
    """

    app: ContainerApp
    record: Record
    retention: Retention
    drain_s: float

    def run(
        self, *, stable: str, previous: str, quiet_s: float, previous_quiet_s: float | None = None
    ) -> int:
        """Deactivate them and return how many; a refusal by Azure is only a warning.

        Args:
            stable: the revision that serves.
            previous: the first choice for a rollback, or empty.
            quiet_s: see `Retention.to_deactivate`.
            previous_quiet_s: see `Retention.to_deactivate`.
        """

        def due() -> tuple[Revision, ...]:
            split, revisions = self.app.read().split, self.app.revisions()
            return self.retention.to_deactivate(
                revisions,
                split,
                stable=stable,
                previous=previous,
                quiet_s=quiet_s,
                previous_quiet_s=previous_quiet_s,
            )

        deactivated = 0
        if not due():
            return 0
        drained = Deadline(self.drain_s)
        with waiting(
            lambda: f"old revisions finish their requests, {drained.remaining:.0f} s left"
        ):
            pause(self.drain_s)
        # Read again: someone may have given one of them traffic during the drain time.
        for revision in due():
            try:
                self.app.deactivate(revision.name)
            except DeployError as error:
                self.record.warn(
                    f"Revision '{revision.name}' could not be deactivated: {error.message}"
                )
            else:
                self.record.say(f"deactivated {revision.name}")
                deactivated += 1
        return deactivated


def deactivate_candidate(
    app: ContainerApp, name: str, *, is_own: Callable[[Split], bool] = lambda _: True
) -> str:
    """Deactivate an abandoned candidate, unless it still has traffic or was never created.

    Args:
        app: whose revision it is.
        name: the revision.
        is_own: whether this run wrote a split; a candidate that others gave traffic stays active.

    Raises:
        DeployError: it holds traffic, so that stopping it would lose requests.
    """
    now = app.wait_until_idle()  # its creation may still be under way
    revision = app.revision(name)
    if revision is None or not revision.active:
        return f"{name} does not exist"
    if now.split.depends_on(name):
        if not is_own(now.split):
            return f"{name} left active, because someone else changed the traffic"
        raise DeployError(f"{name} may still receive traffic ({now.split}).")
    app.deactivate(name)
    return f"{name} deactivated"
