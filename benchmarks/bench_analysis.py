"""Analysis: false alarm and detection rates of its rules, and the cost of one check.

The rates are the tables of docs/analysis.md. The baseline of the test is the same sum in exact
integers (math.comb), in the same process.
"""

import sys
import time
from fractions import Fraction
from math import comb
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy_action.core.analysis import Counts, judge  # noqa: E402  found by the line above
from deploy_action.core.analysis.significance import fisher_tail  # noqa: E402
from deploy_action.core.analysis.verdicts import Thresholds  # noqa: E402
from tests.support.rollout_simulation import TEST_ALONE, Simulation  # noqa: E402

LOOKS, ROLLOUTS = 100_000, 5_000
SEED = 1
SAME_RATES = (0.0, 0.005, 0.02, 0.05, 0.10, 0.30)
BAD_RATES = (0.02, 0.05, 0.10, 0.30, 1.0)


def rates() -> None:
    """Print the rates of single checks and of whole rollouts."""
    print(f"comparison alone, {LOOKS:,} looks each")
    for n_c in (20, 50, 100):
        single = Simulation(seed=SEED, thresholds=TEST_ALONE)
        sides = {"n_c": n_c, "n_s": 9 * n_c}
        same = [single.checks(LOOKS, **sides, candidate_rate=r, stable_rate=r) for r in SAME_RATES]
        bad = [single.checks(LOOKS, **sides, candidate_rate=r, stable_rate=0.0) for r in BAD_RATES]
        print(f"  {n_c}/{9 * n_c} requests, both equally bad: {_row(SAME_RATES, same)}")
        print(f"  {n_c}/{9 * n_c} requests, only candidate:   {_row(BAD_RATES, bad)}")
    print(f"all rules, steps 10-50-100 %, 5 minutes each, {ROLLOUTS:,} rollouts each, rolled back")
    for per_minute in (20, 200):
        single = Simulation(seed=SEED)
        traffic = {"per_minute": per_minute}
        same = [
            single.rollouts(ROLLOUTS, **traffic, candidate_rate=r, stable_rate=r)
            for r in SAME_RATES
        ]
        bad = [
            single.rollouts(ROLLOUTS, **traffic, candidate_rate=r, stable_rate=0.0)
            for r in BAD_RATES
        ]
        print(f"  {per_minute} requests/min, both equally bad: {_row(SAME_RATES, same)}")
        print(f"  {per_minute} requests/min, only candidate:   {_row(BAD_RATES, bad)}")


def costs() -> None:
    """Print the cost of one check compared with exact integers."""
    for n_c, n_s in ((20, 180), (1_000, 9_000), (10_000, 90_000)):
        candidate = Counts(requests=n_c, errors=n_c // 50)
        stable = Counts(requests=n_s, errors=n_s // 100)
        began = time.perf_counter()
        for _ in range(20):
            fisher_tail(candidate, stable)
        own_ms = (time.perf_counter() - began) / 20 * 1000
        began = time.perf_counter()
        judge(candidate, stable, Thresholds())
        look_ms = (time.perf_counter() - began) * 1000
        text = f"{n_c:,}/{n_s:,}: test {own_ms:.2f} ms, whole verdict {look_ms:.2f} ms"
        if n_s <= 9_000:
            began = time.perf_counter()
            exact_tail(candidate, stable)
            peer_ms = (time.perf_counter() - began) * 1000
            text += f"; exact integers {peer_ms:.1f} ms; ratio {own_ms / peer_ms:.4f}"
        print(text)


def exact_tail(candidate: Counts, stable: Counts) -> Fraction:
    """Return Fisher's tail in exact integers."""
    errors, total = candidate.errors + stable.errors, candidate.requests + stable.requests
    tail = sum(
        comb(errors, x) * comb(total - errors, candidate.requests - x)
        for x in range(candidate.errors, min(candidate.requests, errors) + 1)
    )
    return Fraction(tail, comb(total, candidate.requests))


def _row(rates_of: tuple[float, ...], shares: list[float]) -> str:
    pairs = zip(rates_of, shares, strict=True)
    return ", ".join(f"{rate:.1%}: {share:.2%}" for rate, share in pairs)


rates()
costs()
