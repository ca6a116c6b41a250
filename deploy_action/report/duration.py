"""Durations as people read them."""

from __future__ import annotations

_MINUTE_S = 60
_HOUR_S = 3600


def duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> [duration(0.04), duration(4.1), duration(59.7), duration(405.7), duration(3725)]
    ['0.0 s', '4.1 s', '1 min', '6 min 46 s', '1 h 2 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, rest = divmod(whole // _MINUTE_S, 60)
    return f"{hours} h" + (f" {rest} min" if rest else "")
