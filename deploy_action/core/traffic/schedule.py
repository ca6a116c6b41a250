"""The steps of the traffic shift and how long all of it can take."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.traffic.split import FULL_TRAFFIC

# One traffic write in Azure: recorded median 9 s, p99 34 s.
WRITE_SHORTEST_S = 7.0
WRITE_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The candidate's traffic weights and how long each step lasts.

    Args:
        steps: weights below 100, rising; the promotion to 100 follows the last one automatically.
        interval_s: how long each step is watched, in seconds, unless a judged one needs longer.
        bake_s: how long the promoted candidate is monitored with rollback on, in seconds; likewise.
        judged_weights: the weights at which production traffic judges the candidate; 100 means
            the bake.
        judged_s: the least seconds of a step, or bake, that production traffic judges.
    """

    steps: tuple[int, ...]
    interval_s: float
    bake_s: float
    judged_weights: tuple[int, ...] = ()
    judged_s: float = 0.0

    @classmethod
    def of(cls, weights: tuple[int, ...], interval_s: float, bake_s: float) -> Schedule:
        """Make a schedule from the user's weights; a final 100 is the promotion, not a step."""
        return cls(
            steps=tuple(weight for weight in weights if weight < FULL_TRAFFIC),
            interval_s=interval_s,
            bake_s=bake_s,
        )

    def planned_s(self, weight: int) -> float:
        """Return how long the step at *weight* is monitored at least; 100 means the bake."""
        return self.bake_s if weight == FULL_TRAFFIC else self.interval_s

    def lasts_s(self, weight: int) -> float:
        """Return how long the step at *weight* lasts, in seconds; 100 means the bake."""
        planned_s = self.planned_s(weight)
        return max(planned_s, self.judged_s) if weight in self.judged_weights else planned_s

    @property
    def longest_step_s(self) -> float:
        """Duration of the longest step or the bake, in seconds."""
        return max(self.lasts_s(weight) for weight in (*self.steps, FULL_TRAFFIC))

    @property
    def patience_s(self) -> float:
        """Maximum extension of an analyzed step while new metrics arrive, in seconds."""
        return self.judged_s if self.judged_weights else 0.0

    def describe(self) -> str:
        """Return the steps and how long each lasts, in words."""
        path = " → ".join(f"{weight} %" for weight in (*self.steps, FULL_TRAFFIC))
        longer = [
            f"{weight} % for {self.lasts_s(weight):.0f} s"
            for weight in self.steps
            if self.lasts_s(weight) != self.interval_s
        ]
        if longer and len(longer) == len(self.steps):
            return f"steps {path}, {self.judged_s:.0f} s each"
        return ", ".join([f"steps {path}, {self.interval_s:.0f} s each", *longer])

    def shortest_s(self) -> float:
        """Return the seconds of waiting and writing when nothing is slow."""
        return self._waits_s() + (len(self.steps) + 1) * WRITE_SHORTEST_S

    def longest_s(self, gates_s: float, image_s: float) -> float:
        """Return the most seconds that a deployment can take, all time limits included."""
        writes = (len(self.steps) + 3) * WRITE_LONGEST_S
        return self._waits_s() + writes + gates_s + image_s

    def _waits_s(self) -> float:
        return sum(self.lasts_s(weight) for weight in (*self.steps, FULL_TRAFFIC))
