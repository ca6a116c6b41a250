"""Which patterns would empty a cache, and which lines are more than one pattern."""

import pytest

from deploy_action.core.cache.patterns import Glob
from deploy_action.core.settings import parsers


@pytest.mark.parametrize("text", ["*", "**", "?*", "*?", "[^]*", "*[^]", "[^x]*"])
def test_c1_a_pattern_that_matches_every_key_is_recognised(text: str) -> None:
    assert Glob.of(text).matches_everything


@pytest.mark.parametrize("text", ["manifest:*", "[a-m]*", "*:config", "a", "?", "???", "", "[]*"])
def test_a_pattern_for_some_keys_is_not(text: str) -> None:
    assert not Glob.of(text).matches_everything


def test_two_patterns_on_one_line_are_refused() -> None:
    with pytest.raises(ValueError, match="one pattern per line"):
        parsers.key_patterns("manifest:*,config:*")


def test_a_comma_inside_one_pattern_is_kept() -> None:
    assert parsers.key_patterns("a,b:*\nc:*") == ("a,b:*", "c:*")
