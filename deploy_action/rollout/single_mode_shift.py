"""The traffic shift of a deployment in Single revision mode, where Azure shifts the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy_action.core.app import App
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.errors import SupersededError
from deploy_action.rollout.gates import Gates
from deploy_action.rollout.single_mode import Replacement, wait_until_restored
from deploy_action.rollout.traffic import TrafficShift


@dataclass(slots=True)
class SingleModeShift(TrafficShift):
    """Replaces the serving revision by the candidate; see `TrafficShift`."""

    replacement: Replacement = field(init=False)

    def __post_init__(self) -> None:
        self.replacement = Replacement(
            app=self.app,
            lock=self.lock,
            record=self.record,
            stable=self.plan.stable,
            new=self.plan.candidate,
            copy=self.plan.copy,
            latest=self.plan.app.latest,
        )

    def create(self, template: Mapping[str, Any]) -> None:
        """Create the candidate, which receives all traffic as soon as it is ready."""
        self._written.append(self.plan.split_at(FULL_TRAFFIC))
        self.replacement.create(template)

    def promote(self, candidate: Revision) -> None:
        """Keep the candidate, which passed its gates, and bake, with rollback still enabled."""
        self.replacement.promote("promoted")
        self._bake(candidate)

    def restore(self, *, wait_s: float) -> str:  # noqa: ARG002  the copy needs its own time
        """Create a copy of the stable revision."""
        return self.replacement.restore()

    def verify_stable(self, gates: Gates, revision: Revision | None = None) -> str:
        """Wait until the copy serves, and check that it is healthy."""
        if self.replacement.restored and not self.plan.stable_is_down:
            revision = wait_until_restored(self.app, self.record, self.plan.copy)
        return TrafficShift.verify_stable(self, gates, revision)

    def assert_unchanged(self, app: App) -> None:
        """Check that nobody else has created a revision."""
        self.replacement.assert_unchanged(app)

    def _taken(self, app: App) -> SupersededError | None:
        return self.replacement.changed(app)
