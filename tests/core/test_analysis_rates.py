"""The false alarm and detection rates of the rules.

The published figures are probabilities; a simulation of many checks must agree with each of them to
within five standard errors (and the figure's own rounding).
"""

from __future__ import annotations

from math import sqrt

import pytest

from tests.support.rollout_simulation import TEST_ALONE, Simulation

LOOKS = 20_000


def agrees(measured: float, published: float, rounding: float) -> bool:
    """Whether *measured* is compatible with *published*."""
    error = sqrt(max(published * (1 - published), 1 / LOOKS) / LOOKS)
    return abs(measured - published) <= 5 * error + rounding


@pytest.mark.parametrize(
    ("n_c", "rate", "published"),
    [
        (20, 0.02, 0.007),
        (20, 0.05, 0.075),
        (20, 0.10, 0.32),
        (20, 0.30, 0.965),
        (20, 1.00, 1.0),
        (50, 0.02, 0.078),
        (50, 0.05, 0.46),
        (50, 0.10, 0.89),
        (100, 0.02, 0.32),
        (100, 0.05, 0.88),
        (100, 0.10, 0.998),
        (300, 0.02, 0.94),
    ],
)
def test_detection(n_c: int, rate: float, published: float) -> None:
    simulation = Simulation(seed=n_c, thresholds=TEST_ALONE)
    measured = simulation.checks(LOOKS, n_c=n_c, n_s=9 * n_c, candidate_rate=rate, stable_rate=0.0)
    assert agrees(measured, published, 0.005)


@pytest.mark.parametrize(
    ("n_c", "rates"),
    [
        (20, (0.00013, 0.0025, 0.0037, 0.0051)),
        (50, (0.0013, 0.0041, 0.0056, 0.0060)),
        (100, (0.0034, 0.0048, 0.0059, 0.0067)),
    ],
)
def test_false_alarms(n_c: int, rates: tuple[float, ...]) -> None:
    simulation = Simulation(seed=n_c, thresholds=TEST_ALONE)
    for true, published in zip((0.005, 0.02, 0.05, 0.10), rates, strict=True):
        measured = simulation.checks(
            LOOKS, n_c=n_c, n_s=9 * n_c, candidate_rate=true, stable_rate=true
        )
        assert agrees(measured, published, 0.0001)


@pytest.mark.parametrize("rate", [0.0, 0.005, 0.02, 0.05, 0.10, 0.30])
@pytest.mark.parametrize("per_minute", [20, 200])
def test_few_rollouts_of_a_candidate_as_good_as_stable_are_rolled_back(
    rate: float, per_minute: int
) -> None:
    """All rules together, three steps; the worst case is a true rate just at the limit."""
    measured = Simulation(seed=7).rollouts(
        2000, per_minute=per_minute, candidate_rate=rate, stable_rate=rate
    )
    assert measured <= 0.04


@pytest.mark.parametrize("per_minute", [40, 200])
def test_nearly_every_rollout_of_a_candidate_that_fails_three_in_ten_is_rolled_back(
    per_minute: int,
) -> None:
    measured = Simulation(seed=7).rollouts(
        2000, per_minute=per_minute, candidate_rate=0.3, stable_rate=0.01
    )
    assert measured >= 0.999
