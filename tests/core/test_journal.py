"""The journal survives the trip through Azure's tags, or is no journal at all."""

from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.journal import LONGEST_TAG, Journal, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.split import Entry, Split


def journal_with(entries: list[tuple[str, int, str]]) -> Journal:
    return Journal(
        run="4711.1",
        link="https://github.com/contoso/api/actions/runs/4711",
        phase=Phase.SHIFT,
        stable="api--a",
        candidate="api--b",
        before=Split.of(Entry(revision=r, weight=w, label=lb) for r, w, lb in entries),
        until=2_000_000_000,
    )


def as_azure_keeps(tags: dict[str, str | None], before: dict[str, str]) -> dict[str, str]:
    """Merge as a merge-patch does."""
    merged = {**before, **tags}
    return {name: value for name, value in merged.items() if value is not None}


@given(st.integers(1, 20), st.lists(st.sampled_from(["blue", "green", ""]), min_size=20))
def test_a_journal_is_read_back_as_it_was_written_however_long_the_split(
    count: int, labels: list[str]
) -> None:
    rest = [(f"a-rather-long-app-name--a-long-suffix-{n}", 1, labels[n]) for n in range(count)]
    written = journal_with([("", 100 - count, ""), *rest])

    tags = as_azure_keeps(written.as_tags(), {"team": "core"})

    assert Journal.from_tags(tags) == written
    assert all(len(value) <= LONGEST_TAG for value in tags.values())


def test_closing_removes_every_trace_and_nothing_of_others() -> None:
    long = journal_with([(f"app--with-a-very-long-suffix-number-{n}", 10, "") for n in range(10)])
    tags = as_azure_keeps(long.as_tags(), {"team": "core", "cost-centre": "42"})

    assert as_azure_keeps(closing_tags(tags), tags) == {"team": "core", "cost-centre": "42"}


def test_a_tag_edited_by_hand_is_no_journal_rather_than_a_wrong_one() -> None:
    tags = as_azure_keeps(journal_with([("api--a", 100, "")]).as_tags(), {})

    assert Journal.from_tags({**tags, "deploy-action.split": "api--a=90"}) is None
    assert Journal.from_tags({**tags, "deploy-action.phase": "lunch"}) is None
    assert Journal.from_tags({**tags, "deploy-action.until": "tomorrow"}) is None
    assert Journal.from_tags({}) is None
