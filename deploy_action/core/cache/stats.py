"""Results of a clearing, and metrics of the server, as reported by Redis."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.amount import amount

SAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternCleared:
    """Number of keys removed by one pattern; a key counts for the first pattern that matches it.

    *samples* are a few of their names, never values.
    """

    pattern: str
    removed: int
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The result of a clearing; not *complete* if it reached its limit of time or keys."""

    patterns: tuple[PatternCleared, ...]
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingKeys:
    """Number of keys that match each pattern; a key counts for the first pattern that matches it.

    Args:
        patterns: each with its number of keys.
        complete: whether all keys were looked at; otherwise there may be more.
        unknown: why the keys could not be counted; empty if they were.
    """

    patterns: tuple[tuple[str, int], ...] = ()
    complete: bool = True
    unknown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The server's own metrics, summed over primaries.

    Args:
        used_memory: bytes.
        ping_ms: one round trip, in milliseconds.
    """

    keys: int
    hits: int
    misses: int
    evictions: int
    used_memory: int
    clients: int
    ping_ms: float = 0.0

    @property
    def hit_rate(self) -> float | None:
        """The share of reads that found something, or None before the first read."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else None

    def in_words(self, cost_per_miss: float = 0.0) -> str:
        """Return one line for log and summary.

        Args:
            cost_per_miss: what one read costs that finds nothing, in any currency; 0 leaves it out.
        """
        rate = "no reads yet" if self.hit_rate is None else f"hit rate {self.hit_rate:.1%}"
        saved = f", saved {self.hits * cost_per_miss:.2f}" if cost_per_miss else ""
        return (
            f"{rate}, {amount(self.keys, 'key')}, {self.used_memory / 1e6:.1f} MB, "
            f"{self.evictions} evicted, {amount(self.clients, 'connection')}, "
            f"ping {self.ping_ms:.1f} ms{saved}"
        )

    def since(self, before: Metrics) -> str:
        """Return what has changed since *before*, in words."""
        return (
            f"keys {self.keys - before.keys:+d}, hits {self.hits - before.hits:+d}, misses "
            f"{self.misses - before.misses:+d}, evicted {self.evictions - before.evictions:+d}, "
            f"memory {(self.used_memory - before.used_memory) / 1e6:+.1f} MB"
        )
