"""The circuit breaker: three failures open it; after the cool-down one call may pass."""

from __future__ import annotations

from deploy_action.core.cache.circuit_breaker import COOL_DOWN_S, FAILURES, Breaker, State


def after(failures: int, at: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(failures):
        breaker = breaker.failed(at)
    return breaker


def test_it_opens_after_three_failures_in_a_row_and_not_before() -> None:
    assert after(FAILURES - 1).state(0.0) is State.CLOSED
    assert after(FAILURES).state(0.0) is State.OPEN
    assert after(FAILURES - 1).succeeded().failed(0.0).state(0.0) is State.CLOSED


def test_after_the_cool_down_one_call_decides() -> None:
    half = after(FAILURES)

    assert half.state(COOL_DOWN_S - 0.1) is State.OPEN
    assert half.state(COOL_DOWN_S) is State.HALF_OPEN
    assert half.succeeded().state(COOL_DOWN_S) is State.CLOSED
    assert half.failed(COOL_DOWN_S).state(COOL_DOWN_S + 1) is State.OPEN


def test_it_counts_refused_calls() -> None:
    assert after(FAILURES).refusing().refusing().refused == 2
