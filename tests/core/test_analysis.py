"""When analysis fails a candidate, and by which rule."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.analysis import (
    Counts,
    Rule,
    Thresholds,
    WindowRule,
    check_now,
    judge,
)
from deploy_action.core.analysis.expectation import detection_probability, expected_requests
from deploy_action.core.analysis.latency import LatencyLimits, judge_latency
from deploy_action.core.analysis.significance import (
    fisher_tail,
    mann_whitney_tail,
    upper_bound_without_errors,
    wilson_lower,
)
from deploy_action.core.health import Verdict

DEFAULT = Thresholds()
counted = st.integers(0, 400).flatmap(
    lambda n: st.integers(0, n).map(lambda e: Counts(requests=n, errors=e))
)


def counts(text: str) -> Counts:
    """Read ``3/20`` as 3 errors in 20 requests."""
    errors, requests = text.split("/")
    return Counts(requests=int(requests), errors=int(errors))


@pytest.mark.parametrize(
    ("candidate", "stable", "chance", "verdict", "rule"),
    [
        ("1/20", "0/180", 0.100, Verdict.PASS, Rule.COMPARISON),
        ("2/20", "0/180", 0.0096, Verdict.PASS, Rule.COMPARISON),
        ("3/20", "0/180", 0.00087, Verdict.FAIL, Rule.COMPARISON),
        ("3/30", "1/270", 0.0034, Verdict.FAIL, Rule.COMPARISON),
        ("3/50", "5/450", 0.037, Verdict.PASS, Rule.COMPARISON),
        ("5/50", "10/450", 0.0114, Verdict.PASS, Rule.COMPARISON),
        ("5/50", "1/450", 0.00005, Verdict.FAIL, Rule.COMPARISON),
        ("8/100", "9/900", 0.00009, Verdict.FAIL, Rule.COMPARISON),
        ("20/1000", "100/9000", 0.0152, Verdict.PASS, Rule.COMPARISON),
        ("3/20", "2/20", 0.50, Verdict.PASS, Rule.COMPARISON),
        ("5/20", "0/20", 0.0236, Verdict.FAIL, Rule.LIMIT),
        ("10/10", "10/10", 1.0, Verdict.INCONCLUSIVE, Rule.SHARED_CAUSE),
        ("1/1", "0/99", 0.0100, Verdict.INCONCLUSIVE, Rule.SAMPLE),
    ],
)
def test_the_worked_examples(
    candidate: str, stable: str, chance: float, verdict: Verdict, rule: Rule
) -> None:
    judgement = judge(counts(candidate), counts(stable), DEFAULT)
    assert (judgement.verdict, judgement.rule) == (verdict, rule)
    assert fisher_tail(counts(candidate), counts(stable)) == pytest.approx(
        chance, rel=0.04, abs=6e-6
    )


@pytest.mark.parametrize("text", ["3/20", "0/20", "10/10", "1/1"])
def test_every_judgement_has_its_four_numbers_and_a_sentence(text: str) -> None:
    judgement = judge(counts(text), counts("2/180"), DEFAULT)
    errors, requests = text.split("/")
    assert f"candidate: {errors} of {requests} requests failed" in judgement.sentence
    assert "stable: 2 of 180 requests failed (1.1%)" in judgement.sentence
    assert judgement.sentence.endswith(".")


@pytest.mark.parametrize(
    ("n_c", "n_s", "smallest"),
    [
        (10, 90, (2, 3, 4)),
        (20, 180, (2, 3, 5)),
        (50, 450, (2, 4, 8)),
        (100, 900, (2, 5, 12)),
        (500, 4500, (2, 12, 39)),
        (20, 20, (7, 7, 8)),
        (50, 50, (7, 7, 11)),
        (100, 100, (7, 9, 16)),
    ],
)
def test_the_fewest_errors_that_fail_a_candidate(
    n_c: int, n_s: int, smallest: tuple[int, int, int]
) -> None:
    for rate, expected in zip((0.0, 0.01, 0.05), smallest, strict=True):
        stable = Counts(requests=n_s, errors=round(n_s * rate))
        errors = itertools.count()
        result = next(
            e for e in errors if fisher_tail(Counts(requests=n_c, errors=e), stable) <= 0.01
        )
        assert result == expected


@pytest.mark.parametrize(
    ("requests", "bound"),
    [(10, 0.259), (20, 0.139), (30, 0.095), (50, 0.058), (100, 0.030), (300, 0.010)],
)
def test_the_upper_bound_without_errors(requests: int, bound: float) -> None:
    assert upper_bound_without_errors(requests) == pytest.approx(bound, abs=0.0006)
    judgement = judge(Counts(requests=300, errors=0), counts("0/180"), DEFAULT)
    assert "true error rate is below 1.0% (95 % confidence)" in judgement.reason


@given(counted, counted)
def test_fisher_equals_exact_arithmetic(candidate: Counts, stable: Counts) -> None:
    errors, total = candidate.errors + stable.errors, candidate.requests + stable.requests
    tail = sum(
        Fraction(comb(errors, x) * comb(total - errors, candidate.requests - x))
        for x in range(candidate.errors, min(candidate.requests, errors) + 1)
    )
    exact = float(tail / comb(total, candidate.requests))
    assert fisher_tail(candidate, stable) == pytest.approx(exact, rel=1e-8, abs=1e-12)


@given(counted, counted)
def test_one_more_error_is_never_a_better_verdict(candidate: Counts, stable: Counts) -> None:
    if candidate.errors == candidate.requests:
        return
    worse = Counts(requests=candidate.requests, errors=candidate.errors + 1)
    # A shared cause excuses the candidate, so stable is one that has none.
    healthy = Counts(requests=stable.requests, errors=0)
    before, after = (judge(c, healthy, DEFAULT).verdict for c in (candidate, worse))
    assert before is not Verdict.FAIL or after is Verdict.FAIL


def test_wilson_bound_at_five_of_twenty() -> None:
    assert wilson_lower(counts("5/20")) == pytest.approx(0.127, abs=0.0005)
    assert wilson_lower(Counts(requests=0, errors=0)) == 0.0


def test_a_candidate_that_fails_every_request_is_bad_before_the_sample_is_complete() -> None:
    judgement = check_now(counts("5/5"), counts("0/40"), DEFAULT)
    assert judgement
    assert (judgement.verdict, judgement.rule) == (Verdict.FAIL, Rule.LIMIT)
    assert check_now(counts("4/4"), counts("0/40"), DEFAULT) is None


@pytest.mark.parametrize(("candidate", "stable"), [("60/200", "300/1000"), ("9/60", "4/60")])
def test_a_candidate_with_stables_error_rate_passes(candidate: str, stable: str) -> None:
    judgement = judge(counts(candidate), counts(stable), Thresholds(min_ratio=10))
    assert (judgement.verdict, judgement.rule) == (Verdict.INCONCLUSIVE, Rule.SHARED_CAUSE)
    assert "shared" in judgement.reason


def test_a_candidate_that_is_clearly_worse_than_a_bad_stable_is_blamed() -> None:
    judgement = judge(counts("100/100"), counts("300/900"), DEFAULT)
    assert judgement.verdict is Verdict.FAIL


def test_a_weak_baseline_is_replaced_by_the_hour_before() -> None:
    alone = judge(counts("3/40"), counts("0/5"), DEFAULT)
    assert (alone.verdict, alone.rule) == (Verdict.INCONCLUSIVE, Rule.SAMPLE)
    helped = judge(counts("3/40"), counts("0/5"), DEFAULT, before=counts("1/900"))
    assert (helped.verdict, helped.rule) == (Verdict.FAIL, Rule.COMPARISON)
    assert "stable in the hour before the deployment: 1 of 900 requests failed" in helped.sentence


def test_a_candidate_that_fails_as_often_as_stable_did_in_the_hour_before_is_not_blamed() -> None:
    judgement = judge(counts("30/100"), counts("0/0"), DEFAULT, before=counts("280/900"))
    assert (judgement.verdict, judgement.rule) == (Verdict.INCONCLUSIVE, Rule.SHARED_CAUSE)


def test_no_earlier_baseline_is_used_while_stable_fails() -> None:
    judgement = judge(counts("90/90"), counts("10/10"), DEFAULT, before=counts("0/900"))
    assert (judgement.verdict, judgement.rule) == (Verdict.INCONCLUSIVE, Rule.SHARED_CAUSE)


def test_a_strong_baseline_is_not_replaced() -> None:
    judgement = judge(counts("3/40"), counts("3/40"), DEFAULT, before=counts("0/900"))
    assert judgement.verdict is Verdict.PASS


def test_one_minute_with_a_restart_is_tolerated_and_two_are_not() -> None:
    single = judge(counts("0/20"), counts("0/180"), DEFAULT, restarts=1)
    two = judge(counts("0/20"), counts("0/180"), DEFAULT, restarts=2)
    assert single.verdict is Verdict.PASS
    assert (two.verdict, two.rule) == (Verdict.FAIL, Rule.RESTARTS)


def test_several_comparisons_share_the_significance_level() -> None:
    once = judge(counts("3/30"), counts("1/270"), DEFAULT)
    each_of_four = judge(counts("3/30"), counts("1/270"), Thresholds(looks=4))
    assert (once.verdict, each_of_four.verdict) == (Verdict.FAIL, Verdict.PASS)


def test_without_requests_the_verdict_is_inconclusive() -> None:
    judgement = judge(counts("0/0"), counts("0/180"), DEFAULT)
    assert (judgement.verdict, judgement.rule) == (Verdict.INCONCLUSIVE, Rule.SAMPLE)
    assert "candidate: no requests" in judgement.sentence
    assert "0 of the 20" in judgement.sentence


def test_status_classes_become_counts() -> None:
    classes = {"2xx": 180.0, "4XX": 5.0, "5xx": 3.0}
    assert Counts.from_classes(classes) == Counts(requests=188, errors=3)
    assert Counts.from_classes(classes, {"4xx", "5xx"}) == Counts(requests=188, errors=8)


def test_our_own_requests_are_not_users() -> None:
    classes = {"2xx": 100.0, "5xx": 6.0}
    own = {"2xx": 80, "5xx": 1, "4xx": 3}
    assert Counts.of_users(classes, own) == Counts(requests=25, errors=5)
    assert Counts.of_users({"2xx": 3.0}, {"2xx": 5}) == Counts(requests=0, errors=0)


# -- windows ---------------------------------------------------------------------------------


def test_a_window_has_only_complete_minutes_of_the_step() -> None:
    rule = WindowRule(lag_s=180, minutes=2)
    began = 1_000_000_020.0  # 20 s into a minute: 40 s before the next one
    assert began % 60 == 0.0
    window = rule.window(began_s=began + 25, now_s=began + 425)
    assert window
    assert (window.start_s - began, window.end_s - began) == (60.0, 240.0)
    assert window.minutes == 3


@given(
    st.floats(1e9, 2e9),
    st.integers(0, 600).map(float),
    st.integers(1, 10),
    st.integers(0, 3600).map(float),
)
def test_the_shortest_step_always_has_a_window_at_its_end(
    began: float, lag: float, minutes: int, extra: float
) -> None:
    rule = WindowRule(lag_s=lag, minutes=minutes)
    window = rule.window(began_s=began, now_s=began + rule.shortest_step_s + extra + 1e-3)
    assert window
    assert window.minutes >= minutes
    assert window.start_s % 60 == 0
    assert window.start_s > began
    assert window.end_s <= began + rule.shortest_step_s + extra + 1e-3 - lag


def test_nothing_is_judged_while_too_few_minutes_are_complete() -> None:
    rule = WindowRule(lag_s=180, minutes=2)
    assert rule.window(began_s=1e9, now_s=1e9 + 290) is None
    assert rule.shortest_step_s == 360.0
    assert (rule.fits(360), rule.fits(359)) == (True, False)
    assert "6 min per step" in rule.explain()


@pytest.mark.parametrize(("step_s", "looks"), [(0, 1), (360, 1), (540, 1), (840, 2), (1800, 5)])
def test_a_longer_step_is_compared_more_often(step_s: float, looks: int) -> None:
    assert WindowRule(lag_s=180, minutes=2).looks(step_s) == looks


# -- latency ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "chance"), [(3, 0.05), (4, 0.014), (5, 0.004), (6, 0.001)])
def test_the_smallest_probability_of_the_rank_test(n: int, chance: float) -> None:
    slow, fast = [2.0 + i for i in range(n)], [1.0] * n
    assert mann_whitney_tail(slow, fast) == pytest.approx(1 / comb(2 * n, n))
    assert mann_whitney_tail(slow, fast) == pytest.approx(chance, abs=0.0006)
    assert mann_whitney_tail(fast, slow) == pytest.approx(1.0)


def test_the_rank_test_is_symmetric_and_sums_to_one() -> None:
    a, b = [1.0, 4.0, 5.0], [2.0, 3.0, 6.0, 7.0]
    ranks = list(itertools.combinations(range(7), 3))
    u = sum(x > y for x in a for y in b)
    as_extreme = sum(
        sum(x > y for x in chosen for y in range(7) if y not in chosen) >= u for chosen in ranks
    )
    assert mann_whitney_tail(a, b) == pytest.approx(as_extreme / len(ranks))


def test_the_rank_test_takes_as_many_samples_as_are_kept() -> None:
    fast, slow = [float(x) for x in range(40)], [float(x) for x in range(40, 80)]
    assert mann_whitney_tail(slow, fast) == pytest.approx(1 / comb(80, 40))
    assert mann_whitney_tail(fast, slow) == 1.0


@pytest.mark.parametrize(
    ("candidate", "stable", "verdict"),
    [
        ([0.4] * 5, [0.1] * 5, Verdict.FAIL),
        ([0.4] * 4, [0.1] * 5, Verdict.INCONCLUSIVE),  # four samples are never significant
        ([0.009] * 9, [0.003] * 9, Verdict.PASS),  # three times as slow, yet only 6 ms
        ([1.2] * 9, [1.0] * 9, Verdict.PASS),  # 200 ms slower, yet only a fifth
        ([0.4, 0.1, 0.4, 0.1, 0.4], [0.1, 0.4, 0.1, 0.1, 0.1], Verdict.PASS),  # chance
        ([], [], Verdict.INCONCLUSIVE),
    ],
)
def test_latency_is_bad_only_where_ratio_difference_and_test_agree(
    candidate: list[float], stable: list[float], verdict: Verdict
) -> None:
    assert judge_latency(candidate, stable, LatencyLimits()).verdict is verdict


# -- what the plan says ----------------------------------------------------------------------


def test_expected_requests_follow_from_the_last_hour() -> None:
    assert expected_requests(Counts(requests=600, errors=0), weight=10, minutes=20) == 20
    assert expected_requests(Counts(requests=0, errors=0), weight=50, minutes=20) == 0


@pytest.mark.parametrize(
    ("requests", "rate", "expected"),
    [(20, 0.3, 0.97), (20, 0.05, 0.08), (100, 0.1, 1.0), (20, 0.0, 0.0), (20, 1.0, 1.0)],
)
def test_the_plan_states_the_detection_probability(
    requests: int, rate: float, expected: float
) -> None:
    result = detection_probability(requests, requests * 9, rate, DEFAULT)
    assert result == pytest.approx(expected, abs=0.01)
