"""Runs independent reads in parallel; decisions stay in the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Result = TypeVar("Result")


class BackgroundTask(Generic[Result]):
    """A piece of work under way. Its thread does not keep a cancelled process running."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._results: list[Result] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001  raised again where the result is taken
            self._errors.append(error)

    def result(self, timeout_s: float | None = None) -> Result:
        """Wait for it and return what it returned, or raise what it raised.

        Raises:
            TimeoutError: it takes longer than *timeout_s* seconds; it is abandoned.
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError
        if self._errors:
            raise self._errors[0]
        return self._results[0]


def all_of(work: Sequence[Callable[[], Result]]) -> list[Result]:
    """Run all of *work* in parallel and return the results in order."""
    return [started.result() for started in [BackgroundTask(item) for item in work]]
