"""The work after the commit point, where an error is a warning and never another result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deploy_action.core.journal import Pending
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.errors import DeployError


@dataclass(slots=True)
class PostPromotion:
    """Runs the remaining phases; each is tried even if others failed.

    Args:
        record: receives a warning for each phase that failed.
        pending: what could not be done.
    """

    record: Record
    pending: list[Pending] = field(default_factory=list)

    @contextmanager
    def phase(self, phase: Phase, *work: Pending) -> Iterator[None]:
        """Run one phase; if it fails, *work* remains pending."""
        with self.record.phase(phase):
            try:
                yield
            except Exception as error:  # noqa: BLE001  the deployment has succeeded anyway
                self.record.crashed(error)
                reason = str(error) if isinstance(error, DeployError) else repr(error)
                self.record.warn(f"Deployed, but some work after the promotion failed: {reason}")
                self.pending += work
