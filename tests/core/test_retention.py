"""Promise R1: what may be put to sleep, and what never."""

from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.revisions.retention import to_retire
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Entry, Split


def revision(number: int, *, active: bool = True) -> Revision:
    return Revision(name=f"api--{number}", active=active, created=f"2026-11-23T10:{number:02}:00")


def test_the_newest_three_stay_and_the_rest_sleeps_oldest_first() -> None:
    found = to_retire(
        [revision(n) for n in (3, 1, 5, 2, 4)],
        Split.of([Entry(revision="api--5", weight=100)]),
        stable="api--5",
        previous="api--4",
        keep=3,
    )

    assert [item.name for item in found] == ["api--1", "api--2"]


@given(
    actives=st.lists(st.booleans(), min_size=1, max_size=12),
    stable=st.integers(0, 11),
    previous=st.integers(0, 11),
    weighted=st.integers(0, 11),
    labelled=st.integers(0, 11),
    keep=st.integers(1, 5),
)
def test_nothing_that_something_depends_on_is_ever_chosen(  # noqa: PLR0917  drawn by name
    actives: list[bool], stable: int, previous: int, weighted: int, labelled: int, keep: int
) -> None:
    revisions = [revision(number, active=active) for number, active in enumerate(actives)]
    split = Split.of(
        [
            Entry(revision=f"api--{weighted}", weight=100),
            Entry(revision=f"api--{labelled}", weight=0, label="beta"),
        ]
    )

    names = {
        item.name
        for item in to_retire(
            revisions, split, stable=f"api--{stable}", previous=f"api--{previous}", keep=keep
        )
    }

    assert not names & {f"api--{n}" for n in (stable, previous, weighted, labelled)}
    active = {item.name for item in revisions if item.active}
    assert names <= active
    assert len(active - names) >= min(keep, len(active))


def test_while_traffic_follows_latest_nothing_sleeps() -> None:
    found = to_retire(
        [revision(n) for n in range(6)], Split.from_azure(None), stable="", previous="", keep=1
    )

    assert found == ()
