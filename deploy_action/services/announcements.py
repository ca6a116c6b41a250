"""Sends events of the run to other systems while it runs; a failure is only a warning.

Jobs run in the background. The end of the run waits for them for a limited time, with signals held
back: a cancellation at that point must not change a result that is already decided.
"""

# ruff: noqa: PLC0415  most runs announce nothing

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deploy_action.core.events import Event, RunEnded
from deploy_action.core.record import Record
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.polling import Deadline
from deploy_action.runtime.signals import SignalGuard

if TYPE_CHECKING:
    from deploy_action.services import Services

_WAIT_S = 25.0
# GitHub's runner kills a cancelled step after 10 s, and restoring traffic comes first.
_WAIT_IF_CANCELLED_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Something to send.

    Args:
        what: the subject of the warning, such as ``Notification to slack (hooks.slack.com)``.
        work: sends it; returns why that failed, or an empty text.
    """

    what: str
    work: Callable[[], str]


class Announcer(Protocol):
    """Another system that receives events of the run."""

    def jobs(self, event: Event, record: Record) -> Sequence[Job]:
        """Return what to send because of *event*."""


@dataclass(slots=True)
class Announcements:
    """A listener of the record.

    Args:
        announcers: send the events to their systems.
        record: receives the warnings.
        signals: held back at the end of the run.
    """

    announcers: Sequence[Announcer]
    record: Record
    signals: SignalGuard
    _running: list[tuple[Job, BackgroundTask[str]]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Start what *event* calls for; at the end of the run also wait for it."""
        if not isinstance(event, RunEnded):
            self._start(event)
            return
        with self.signals.shielded():
            wait_s = _WAIT_IF_CANCELLED_S if self.signals.cancelled else _WAIT_S
            deadline = Deadline(wait_s)
            self._wait(deadline)  # so that "started" arrives before the result
            self._start(event)
            self._wait(deadline)

    def _start(self, event: Event) -> None:
        for announcer in self.announcers:
            try:
                jobs = announcer.jobs(event, self.record)
            except Exception as error:  # noqa: BLE001  the deployment continues
                self._warn(type(announcer).__name__, type(error).__name__)
                continue
            self._running += [(job, BackgroundTask(job.work)) for job in jobs]

    def _wait(self, deadline: Deadline) -> None:
        running, self._running = self._running, []
        for job, task in running:
            try:
                problem = task.result(deadline.remaining)
            except TimeoutError:
                problem = "it took too long"
            except Exception as error:  # noqa: BLE001  the deployment continues
                problem = type(error).__name__
            if problem:
                self._warn(job.what, problem)

    def _warn(self, what: str, problem: str) -> None:
        self.record.warn(f"{what} failed: {problem.rstrip('.')}.")


def make_announcements(services: Services) -> Announcements:
    """Return the listener for the settings; a dry run sends nothing."""
    settings, announcers = services.settings, list[Announcer]()
    if settings.dry_run:
        return Announcements(announcers, services.record, services.signals)
    if settings.notifications:
        from deploy_action.services.notifications import make_notifier

        announcers.append(make_notifier(services))
    if settings.commit_status:
        from deploy_action.services.commit_status import make_status_writer

        announcers.append(make_status_writer(services))
    if settings.app_insights.is_set:
        from deploy_action.services.app_insights import make_marker

        announcers.append(make_marker(services))
    return Announcements(announcers, services.record, services.signals)
