"""Counts with their noun."""


def amount(count: int, noun: str) -> str:
    """Return a count for a message: ``1 key``, ``2 keys``, ``1,385 requests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
