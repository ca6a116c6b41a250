"""Requests and failed requests of a revision in a window."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

SERVER_ERRORS = frozenset({"5xx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests and errors of one revision in one window."""

    requests: int
    errors: int

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.requests:
            raise ValueError(f"{self.errors} errors in {self.requests} requests")

    @classmethod
    def from_classes(
        cls, classes: Mapping[str, float], errors: Collection[str] = SERVER_ERRORS
    ) -> Counts:
        """Add up requests by status class.

        Args:
            classes: requests by class, such as ``{"2xx": 180.0, "5xx": 3.0}``.
            errors: which classes count as errors.
        """
        totals = {name.lower(): round(count) for name, count in classes.items()}
        return cls(
            requests=sum(totals.values()),
            errors=sum(count for name, count in totals.items() if name in errors),
        )

    @classmethod
    def of_users(
        cls,
        classes: Mapping[str, float],
        own: Mapping[str, int],
        errors: Collection[str] = SERVER_ERRORS,
    ) -> Counts:
        """Add up requests by status class, excluding our own health requests.

        Args:
            classes: all requests by class.
            own: our own requests by class.
            errors: which classes count as errors.
        """
        totals = {name.lower(): count for name, count in classes.items()}
        users = {name: max(0.0, count - own.get(name, 0)) for name, count in totals.items()}
        return cls.from_classes(users, errors)

    @property
    def rate(self) -> float:
        """The share of failed requests, 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        if not self.requests:
            return "no requests"
        return f"{self.errors} of {self.requests} requests failed ({self.rate:.1%})"


NO_REQUESTS = Counts(requests=0, errors=0)
