"""Promise R1: which revisions may be deactivated, and which never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.retention import Retention
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Entry, Split

HOUR_S = 3600.0


def revision(number: int, *, active: bool = True, after: int | None = None) -> Revision:
    name = f"api--{number}"
    own = Provenance(predecessor=f"api--{after}", revision=name).as_environment("image")
    variables = [{"name": key, "value": value} for key, value in own.items()]
    containers = [{"name": "api", "image": "image", "env": variables}] if after is not None else []
    return Revision(
        name=name,
        active=active,
        created=f"2026-11-23T10:{number:02}:00",
        template={"containers": containers},
    )


def on(number: int) -> Split:
    return Split.of([Entry(revision=f"api--{number}", weight=100)])


def test_the_newest_three_are_kept_and_the_oldest_go_first() -> None:
    retired = Retention(keep=3, active_s=HOUR_S).to_deactivate(
        [revision(n) for n in (3, 1, 5, 2, 4)],
        on(5),
        stable="api--5",
        previous="api--4",
        quiet_s=0.0,
    )

    assert [item.name for item in retired] == ["api--1", "api--2"]


@pytest.mark.parametrize(
    ("quiet_s", "expected"), [(HOUR_S - 1, []), (HOUR_S, ["api--1", "api--2"])]
)
def test_former_serving_revisions_stay_active_for_a_while(
    quiet_s: float, expected: list[str]
) -> None:
    retired = Retention(keep=3, active_s=HOUR_S).to_deactivate(
        [revision(1), revision(2, after=1), revision(3, after=2)],
        on(3),
        stable="api--3",
        previous="api--2",
        quiet_s=quiet_s,
    )

    assert [item.name for item in retired] == expected


def test_the_previous_revision_has_a_time_of_its_own() -> None:
    retired = Retention(keep=3, active_s=HOUR_S).to_deactivate(
        [revision(1), revision(2, after=1), revision(3, after=2)],
        on(3),
        stable="api--3",
        previous="api--2",
        quiet_s=2 * HOUR_S,
        previous_quiet_s=60.0,
    )

    assert [item.name for item in retired] == ["api--1"]


def test_inactive_revisions_that_served_count_among_the_kept() -> None:
    revisions = [
        revision(1),
        revision(2, after=1, active=False),
        revision(3, after=2),
        revision(4, after=3),
    ]

    retired = Retention(keep=3, active_s=HOUR_S).to_deactivate(
        revisions, on(4), stable="api--4", previous="api--3", quiet_s=0.0
    )

    assert [item.name for item in retired] == ["api--1"]


def test_a_new_revision_that_somebody_else_created_stays_active() -> None:
    retired = Retention(keep=3, active_s=HOUR_S).to_deactivate(
        [revision(1), revision(2, after=1), revision(3)],
        on(2),
        stable="api--2",
        previous="api--1",
        quiet_s=HOUR_S,
    )

    assert [item.name for item in retired] == ["api--1"]


@given(
    actives=st.lists(st.booleans(), min_size=1, max_size=12),
    stable=st.integers(0, 11),
    previous=st.integers(0, 11),
    weighted=st.integers(0, 11),
    labelled=st.integers(0, 11),
    keep=st.integers(1, 5),
    quiet_s=st.sampled_from([0.0, HOUR_S]),
)
def test_a_revision_that_something_depends_on_is_never_deactivated(  # noqa: PLR0917  drawn by name
    actives: list[bool],
    stable: int,
    previous: int,
    weighted: int,
    labelled: int,
    keep: int,
    quiet_s: float,
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
        for item in Retention(keep=keep, active_s=HOUR_S).to_deactivate(
            revisions, split, stable=f"api--{stable}", previous=f"api--{previous}", quiet_s=quiet_s
        )
    }

    assert not names & {f"api--{n}" for n in (stable, weighted, labelled)}
    assert f"api--{previous}" not in names or quiet_s >= HOUR_S
    active = {item.name for item in revisions if item.active}
    assert names <= active
    assert not active or active - names, "one stays active"


def test_while_traffic_follows_the_latest_nothing_is_deactivated() -> None:
    retired = Retention(keep=1, active_s=0.0).to_deactivate(
        [revision(n) for n in range(6)],
        Split.from_azure(None),
        stable="api--5",
        previous="",
        quiet_s=HOUR_S,
    )

    assert retired == ()
