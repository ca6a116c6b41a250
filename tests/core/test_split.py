"""The arithmetic of traffic splits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.traffic.split import Entry, Split


def drawn(picture: str) -> Split:
    """Build a split from a drawing such as ``90 api--a | 10 api--b @canary``."""
    entries = []
    for part in picture.split("|"):
        weight, name, *label = part.split()
        revision = "" if name == "latest" else name
        entries.append(
            Entry(
                revision=revision, weight=int(weight), label=label[0].lstrip("@") if label else ""
            )
        )
    return Split.of(entries)


revisions = st.integers(0, 9).map(lambda number: f"api--r{number}")
labels = st.sampled_from(["", "", "", "blue", "green", "beta"])


@st.composite
def splits(draw: st.DrawFn) -> Split:
    cuts = sorted(draw(st.lists(st.integers(0, 100), max_size=4)))
    edges = [0, *cuts, 100]
    weights = [right - left for left, right in pairwise(edges)]
    return Split.of(
        Entry(revision=draw(revisions), weight=weight, label=draw(labels)) for weight in weights
    )


@pytest.mark.parametrize(
    ("before", "weight", "after"),
    [
        ("100 api--a", 10, "90 api--a | 10 api--new"),
        ("100 api--a", 100, "100 api--new"),
        ("100 api--a @live", 100, "0 api--a @live | 100 api--new"),
        ("50 api--a | 50 api--b", 10, "45 api--a | 45 api--b | 10 api--new"),
        ("50 api--a | 50 api--b", 25, "38 api--a | 37 api--b | 25 api--new"),
        ("100 api--a | 0 api--c @beta", 50, "50 api--a | 0 api--c @beta | 50 api--new"),
        ("90 api--a | 10 api--new @test", 20, "80 api--a | 0 api--new @test | 20 api--new"),
    ],
)
def test_raising_a_candidate_leaves_the_others_in_proportion(
    before: str, weight: int, after: str
) -> None:
    assert drawn(before).with_candidate("api--new", weight) == drawn(after)


@given(splits(), st.integers(0, 100))
def test_any_shift_keeps_the_sum_100_and_all_labels(split: Split, weight: int) -> None:
    raised = split.with_candidate("api--candidate", weight)

    assert sum(entry.weight for entry in raised.entries) == 100
    assert raised.weight_of("api--candidate") == weight
    before = {(entry.revision, entry.label) for entry in split.entries if entry.label}
    after = {(entry.revision, entry.label) for entry in raised.entries if entry.label}
    assert after == before


@given(splits())
def test_a_split_survives_the_round_trip_through_azures_format(split: Split) -> None:
    assert Split.from_azure(split.as_azure()) == split


@given(splits(), st.randoms(use_true_random=False))
def test_order_does_not_matter_for_equality(split: Split, random: st.DrawFn) -> None:
    shuffled = list(split.entries)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a Random

    assert split.same_as(Split.of(shuffled))


def test_a_moved_label_is_a_difference() -> None:
    assert not drawn("100 api--a @blue").same_as(drawn("100 api--a | 0 api--b @blue"))


def test_pinning_replaces_latest_by_the_serving_revision() -> None:
    following = Split.from_azure([{"latestRevision": True, "weight": 100, "label": "live"}])

    pinned = following.pinned("api--a")

    assert pinned == drawn("100 api--a @live")
    assert not pinned.follows_latest


def test_no_traffic_at_all_means_everything_to_the_latest() -> None:
    assert Split.from_azure(None).follows_latest
    assert Split.from_azure([]).heaviest().weight == 100


@pytest.mark.parametrize("weights", [[50, 49], [101], [120, -20], []])
def test_a_split_that_does_not_sum_to_100_is_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weight"):
        Split.of(Entry(revision=f"api--{n}", weight=w) for n, w in enumerate(weights))
