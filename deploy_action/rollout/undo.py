"""The undo stack: each undo is registered before its change; they run newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from deploy_action.core.events import Diagnosed
from deploy_action.core.record import Record
from deploy_action.errors import (
    AbortedError,
    CancelledError,
    DeployError,
    RollbackIncompleteError,
    SupersededError,
    TimeLimitExceededError,
    sentences,
)
from deploy_action.rollout.gates import GateFailedError
from deploy_action.runtime.signals import SignalGuard


@dataclass(frozen=True, slots=True)
class Compensation:
    """The reversal of one change; see `Undo.push`."""

    what: str
    revert: Callable[[], str]
    by_hand: str
    if_others_failed: Callable[[], str] | None


class Undo:
    """A context manager that restores everything if its block raises an exception.

    Each undo must be idempotent and check that the change is ours: it may run although the
    change itself never happened. Signals are shielded while the undo runs.

    Args:
        record: receives what was restored and what was not.
        signals: shielded while the undo runs.
    """

    def __init__(self, record: Record, signals: SignalGuard) -> None:
        self._record = record
        self._signals = signals
        self._compensations: list[Compensation] = []
        self._committed = False
        self.cause: BaseException | None = None  # the error that caused the undo

    def push(
        self,
        what: str,
        revert: Callable[[], str],
        *,
        by_hand: str = "",
        if_others_failed: Callable[[], str] | None = None,
    ) -> None:
        """Register an undo.

        Args:
            what: what it restores, such as "the traffic".
            revert: restores it and returns a description of its state.
            by_hand: the manual command or step, for when *revert* fails.
            if_others_failed: runs instead if one before it failed, because the next run needs
                what *revert* removes.
        """
        self._compensations.append(Compensation(what, revert, by_hand, if_others_failed))

    def commit(self) -> None:
        """Commit: nothing that is registered so far is undone any more."""
        self._compensations.clear()
        self._committed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or self._committed:
            return
        if not self._compensations and not isinstance(error, GateFailedError):
            return
        self.cause = error
        failed = self._revert_all()
        self._record.crashed(error)  # traffic comes first
        late = isinstance(error, TimeLimitExceededError)
        if isinstance(error, CancelledError | SupersededError) and not late:
            return  # keeps its own exit code; the record has what was restored
        raise _aborted(error, failed, self._record.diagnosis) from error

    def _revert_all(self) -> list[tuple[str, str]]:
        failed: list[tuple[str, str]] = []
        with self._signals.shielded():
            for compensation in reversed(self._compensations):
                revert = (
                    compensation.if_others_failed
                    if failed and compensation.if_others_failed
                    else compensation.revert
                )
                try:
                    now = revert()
                except BaseException as error:  # noqa: BLE001  the others must still be tried
                    reason = error.message if isinstance(error, DeployError) else repr(error)
                    self._record.crashed(error)
                    failed.append((compensation.what, compensation.by_hand))
                    by_hand = compensation.by_hand and f"To restore it: {compensation.by_hand}"
                    detail = sentences(reason, by_hand)
                    self._record.undo_finished(
                        compensation.what, ok=False, detail=detail, by_hand=compensation.by_hand
                    )
                else:
                    self._record.undo_finished(compensation.what, ok=True, detail=now)
        self._compensations.clear()
        return failed


def _aborted(
    error: BaseException, failed: list[tuple[str, str]], diagnosis: Diagnosed | None
) -> DeployError:
    match error:
        case DeployError():
            reason = error.message
        case CancelledError():
            reason = error.reason
        case _:
            reason = f"{type(error).__name__}: {error}"
    hint = error.hint if isinstance(error, DeployError) else ""
    place = error.place if isinstance(error, DeployError) else None
    if diagnosis and diagnosis.cause:
        hint = f"Likely cause: {diagnosis.cause} {diagnosis.hint}"
    if failed:
        lost = "; ".join(f"{what} ({by_hand})" if by_hand else what for what, by_hand in failed)
        return RollbackIncompleteError(
            reason, hint=f"Not restored: {lost}. {hint}".strip(), place=place
        )
    return AbortedError(reason, hint=hint, place=place)
