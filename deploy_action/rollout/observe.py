"""Reads everything that the plan depends on, independent reads in parallel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from deploy_action.adapters.container_app import AzureRefusedError, ContainerApp
from deploy_action.core.journal import Journal
from deploy_action.core.observed import Observed, check_journal
from deploy_action.core.run import Run
from deploy_action.errors import PreflightError, SupersededError
from deploy_action.runtime.concurrency import BackgroundTask
from deploy_action.runtime.polling import Deadline, now_utc, pause, waiting

LOOK_AGAIN_S = 5.0


def observe_free(
    app: ContainerApp,
    run: Run,
    *,
    wait_s: float,
    say: Callable[[str], None],
    has_ended: Callable[[Journal], bool],
    on_read: Callable[[Observed], None],
) -> Observed:
    """Read the app, after waiting for any active run that holds the lock.

    Args:
        app: the app to read.
        run: this run.
        wait_s: how long to wait for another run, in seconds.
        say: receives a line about the run that it waits for.
        has_ended: whether GitHub says that the run of a journal has ended.
        on_read: receives each state of the app that was read.

    Raises:
        SupersededError: another run still holds the lock; the message has run, time and link.
        PreflightError: the app does not exist or may not be read.
    """
    deadline, announced = Deadline(wait_s), ""
    while True:
        observed = with_holder_state(observe_first(app, run), has_ended)
        on_read(observed)
        try:
            check_journal(observed)
        except SupersededError as error:
            if deadline.passed:
                raise
            journal = Journal.from_tags(observed.app.tags)
            holder = journal.run if journal else ""
            if holder != announced:
                say(f"waiting up to {wait_s:.0f} s: {error.message}")
                announced = holder
            alive_s = journal.until - observed.now if journal else 0.0
            with waiting(lambda: f"waiting for run {holder}, {deadline.remaining:.0f} s left"):  # noqa: B023
                pause(max(0.05, min(LOOK_AGAIN_S, deadline.remaining, alive_s)))
        else:
            return observed


def with_holder_state(observed: Observed, has_ended: Callable[[Journal], bool]) -> Observed:
    """Return *observed* with whether the run that holds the lock has ended, if it matters."""
    journal = Journal.from_tags(observed.app.tags)
    if journal is None or journal.run == observed.run.id or not journal.lease_valid(observed.now):
        return observed
    return replace(observed, holder_ended=has_ended(journal))


def observe_first(app: ContainerApp, run: Run) -> Observed:
    """Read the app and its revisions before anything was changed.

    Raises:
        PreflightError: see `observe`; also if Azure does not respond or the response is invalid.
    """
    try:
        return observe(app, run)
    except AzureRefusedError as error:
        raise PreflightError(error.message, hint=error.hint) from None


def observe(app: ContainerApp, run: Run) -> Observed:
    """Read the app and its revisions.

    Args:
        app: the app to read.
        run: this run.

    Raises:
        PreflightError: the app does not exist or may not be read.
    """
    revisions = BackgroundTask(app.revisions)
    app_state = app.read()
    return Observed(
        app=app_state,
        revisions=revisions.result(),
        run=run,
        now=now_utc(),
    )
