"""The steps of the traffic shift and how long all of it can take."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.traffic.split import FULL_TRAFFIC

# One traffic write in Azure: recorded median 9 s, p99 34 s (azure-on-the-wire, 3.2).
WRITE_SHORTEST_S = 7.0
WRITE_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the candidate gets how much.

    Args:
        steps: weights below 100, rising; promotion to 100 follows the last by itself.
        interval_s: how long each step is watched, in seconds.
        bake_s: how long the promoted candidate is watched with the way back armed, in seconds.
    """

    steps: tuple[int, ...]
    interval_s: float
    bake_s: float

    @classmethod
    def of(cls, weights: tuple[int, ...], interval_s: float, bake_s: float) -> Schedule:
        """Take the weights as the user gave them; a final 100 is the promotion, not a step."""
        return cls(
            steps=tuple(weight for weight in weights if weight < FULL_TRAFFIC),
            interval_s=interval_s,
            bake_s=bake_s,
        )

    def shortest_s(self) -> float:
        """Return the seconds of waiting and writing when nothing is slow."""
        return self._waits_s() + (len(self.steps) + 1) * WRITE_SHORTEST_S

    def longest_s(self, gates_s: float, image_s: float) -> float:
        """Return the seconds after which every wait has ended one way or the other."""
        writes = (len(self.steps) + 3) * WRITE_LONGEST_S
        return self._waits_s() + writes + gates_s + image_s

    def _waits_s(self) -> float:
        return len(self.steps) * self.interval_s + self.bake_s
