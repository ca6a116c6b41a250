"""Versions of add-in manifests: syntax, order and bumping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.manifest.version import Part, Version, highest, next_above
from deploy_action.errors import InputError

PARTS = st.lists(st.integers(0, 99_999), min_size=1, max_size=4)
VERSIONS = PARTS.map(lambda parts: Version.parse(".".join(map(str, parts))))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1.3.0.2", (1, 3, 0, 2)),
        ("1.0", (1, 0, 0, 0)),
        ("7", (7, 0, 0, 0)),
        ("01.0.0.09", (1, 0, 0, 9)),
        ("99999.99999.99999.99999", (99_999,) * 4),
    ],
)
def test_one_to_four_numbers_of_at_most_five_digits_are_a_version(
    text: str, parts: tuple[int, ...]
) -> None:
    assert Version.parse(text).parts == parts
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.0.0-dev",
        "v1.0",
        "1.0.0.0.0",
        "1..0",
        ".1",
        "1.",
        "123456",
        "\u0661.\u0660",
        "1.0\n",
        " 1.0",
    ],
)
def test_any_other_text_is_not_a_version(text: str) -> None:
    with pytest.raises(InputError, match="is not a version"):
        Version.parse(text)


@pytest.mark.parametrize(
    ("part", "bumped"),
    [
        (Part.MAJOR, "2.0.0.0"),
        (Part.MINOR, "1.4.0.0"),
        (Part.PATCH, "1.3.1.0"),
        (Part.BUILD, "1.3.0.3"),
    ],
)
def test_the_parts_after_the_bumped_one_are_zero(part: Part, bumped: str) -> None:
    assert str(Version.parse("1.3.0.2").bumped(part)) == bumped


def test_a_part_is_at_most_99999() -> None:
    with pytest.raises(InputError, match="a part is at most 99999") as refused:
        Version.parse("1.0.0.99999").bumped(Part.BUILD)

    assert "earlier part" in refused.value.hint


@given(VERSIONS, VERSIONS)
def test_versions_compare_as_numbers(first: Version, other: Version) -> None:
    assert (first < other) == (first.parts < other.parts)
    assert (first == other) == (first.parts == other.parts)
    assert highest([first, other]) == (first if first.parts >= other.parts else other)


@given(VERSIONS, st.none() | VERSIONS, st.sampled_from(Part))
def test_the_next_version_is_above_the_file_and_the_floor(
    current: Version, floor: Version | None, part: Part
) -> None:
    try:
        result = next_above(current, floor, part)
    except InputError:
        assert 99_999 in current.parts or (floor and 99_999 in floor.parts)
        return
    assert result > current
    assert floor is None or result > floor
    assert result.parts[part.value + 1 :] == (0,) * (3 - part.value)
