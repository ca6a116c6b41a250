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
        judged_step_s: the least seconds of a step that production traffic judges; 0 where none is.
        judged_bake_s: the least seconds of the bake; likewise.
    """

    steps: tuple[int, ...]
    interval_s: float
    bake_s: float
    judged_step_s: float = 0.0
    judged_bake_s: float = 0.0

    @classmethod
    def of(cls, weights: tuple[int, ...], interval_s: float, bake_s: float) -> Schedule:
        """Make a schedule from the user's weights; a final 100 is the promotion, not a step."""
        return cls(
            steps=tuple(weight for weight in weights if weight < FULL_TRAFFIC),
            interval_s=interval_s,
            bake_s=bake_s,
        )

    @property
    def whole_step_s(self) -> float:
        """How long each step lasts, in seconds."""
        return max(self.interval_s, self.judged_step_s)

    @property
    def whole_bake_s(self) -> float:
        """How long the bake lasts, in seconds."""
        return max(self.bake_s, self.judged_bake_s)

    @property
    def judged_weights(self) -> tuple[int, ...]:
        """The candidate's weights at which production traffic judges it."""
        steps = self.steps if self.judged_step_s else ()
        return (*steps, FULL_TRAFFIC) if self.judged_bake_s else steps

    def shortest_s(self) -> float:
        """Return the seconds of waiting and writing when nothing is slow."""
        return self._waits_s() + (len(self.steps) + 1) * WRITE_SHORTEST_S

    def longest_s(self, gates_s: float, image_s: float) -> float:
        """Return the most seconds that a deployment can take, all time limits included."""
        writes = (len(self.steps) + 3) * WRITE_LONGEST_S
        return self._waits_s() + writes + gates_s + image_s

    def _waits_s(self) -> float:
        return len(self.steps) * self.whole_step_s + self.whole_bake_s
