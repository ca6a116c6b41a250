"""Which minutes of Azure's metrics a check may use, and how long a judged step must last.

Azure Monitor keeps one value per whole minute. The newest minutes may still be partial, so a window
ends some minutes in the past ("Troubleshooting Azure Monitor metric charts").
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

MINUTE_S = 60.0
COMPARE_MINUTES = 5  # a comparison needs fresh data: at most one for each five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Whole minutes, in seconds since 1970; *end* is not part of it."""

    start_s: float
    end_s: float

    @property
    def minutes(self) -> int:
        """Number of whole minutes."""
        return round((self.end_s - self.start_s) / MINUTE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """Rules for the window of a check.

    Args:
        lag_s: how far in the past a window ends, in seconds.
        minutes: the fewest whole minutes that can be judged.
        longest_s: the longest window, in seconds.
    """

    lag_s: float = 180.0
    minutes: int = 2
    longest_s: float = 3600.0

    def window(self, *, began_s: float, now_s: float) -> Window | None:
        """Return the window of a check, or None while too few minutes are complete.

        Args:
            began_s: when the step began, in seconds since 1970.
            now_s: the time of the check, in seconds since 1970.
        """
        end_s = floor((now_s - self.lag_s) / MINUTE_S) * MINUTE_S
        # The minute in which the step began also contains requests of the previous step.
        first_s = (floor(began_s / MINUTE_S) + 1) * MINUTE_S
        start_s = max(first_s, end_s - self.longest_s)
        window = Window(start_s=start_s, end_s=end_s)
        return window if window.minutes >= self.minutes else None

    def before(self, began_s: float) -> Window:
        """Return the hour before *began_s*, for a baseline."""
        end_s = floor(began_s / MINUTE_S) * MINUTE_S
        return Window(start_s=end_s - 3600.0, end_s=end_s)

    @property
    def shortest_step_s(self) -> float:
        """Shortest step whose window has the minimum number of minutes, in seconds."""
        return MINUTE_S + self.minutes * MINUTE_S + self.lag_s

    def fits(self, step_s: float) -> bool:
        """Whether a step of *step_s* seconds is long enough to be judged."""
        return step_s >= self.shortest_step_s

    def looks(self, step_s: float) -> int:
        """Return how often the comparison with stable is made during a step of *step_s* seconds.

        The significance level is divided by this number.
        """
        usable_s = step_s - MINUTE_S - self.lag_s
        return max(1, floor(usable_s / (COMPARE_MINUTES * MINUTE_S)))

    def explain(self) -> str:
        """Return why a judged step lasts as long as it does."""
        return (
            f"Azure's metrics are complete only after {_minutes(self.lag_s)}, so analysis needs "
            f"{_minutes(self.shortest_step_s)} per step"
        )


def _minutes(seconds: float) -> str:
    return f"{seconds / MINUTE_S:g} min"
