"""Schedules of KEDA's cron scaler: whether a moment lies between a start and an end.

Source: KEDA, "Cron" scaler: five fields (minute, hour, day of month, month, day of week) with
lists, ranges and steps; the time zone is a name of the IANA database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_LONGEST_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Schedule:
    """One expression of five fields, each a set of numbers."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool  # both day fields are restricted: either may match

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read an expression such as ``0 8 * * 1-5``.

        Raises:
            ValueError: it does not have five fields of numbers.
        """
        words = text.split()
        if len(words) != len(_BOUNDS):
            raise ValueError(f"'{text}' does not have five fields")
        sets = [_numbers(word, *bounds) for word, bounds in zip(words, _BOUNDS, strict=True)]
        weekdays = frozenset(number % 7 for number in sets[4])
        any_day = "*" not in {words[2][0], words[4][0]}
        return cls(sets[0], sets[1], sets[2], sets[3], weekdays, any_day)

    def latest(self, moment: datetime) -> datetime | None:
        """Return the last time at or before *moment*; None if there is none within a year."""
        for back in range(_LONGEST_DAYS + 1):
            day = (moment - timedelta(days=back)).date()
            if not self._is_on(day):
                continue
            times = [
                (hour, minute)
                for hour in self.hours
                for minute in self.minutes
                if back or (hour, minute) <= (moment.hour, moment.minute)
            ]
            if times:
                hour, minute = max(times)
                return datetime(day.year, day.month, day.day, hour, minute, tzinfo=moment.tzinfo)
        return None

    def _is_on(self, day: date) -> bool:
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        on_day = by_month or by_week if self.any_day else by_month and by_week
        return day.month in self.months and on_day


def between(start: str, end: str, moment: datetime) -> bool:
    """Whether *moment* lies after the last start and before the next end.

    Raises:
        ValueError: one of the expressions cannot be read.
    """
    began, ended = Schedule.parse(start).latest(moment), Schedule.parse(end).latest(moment)
    return began is not None and (ended is None or began > ended)


def _numbers(word: str, low: int, high: int) -> frozenset[int]:
    numbers: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, stop = low, high
        else:
            start = int(first)
            stop = int(last) if dash else high if step else start
        if not low <= start <= stop <= high:
            raise ValueError(f"'{part}' is not between {low} and {high}")
        numbers.update(range(start, stop + 1, int(step or 1)))
    return frozenset(numbers)
