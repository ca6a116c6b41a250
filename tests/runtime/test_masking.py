"""Secrets in text."""

from deploy_action.runtime.masking import Mask


def test_the_mask_redacts_lines_and_encoded_forms() -> None:
    mask = Mask()
    mask.add("pass/word+1=\nsecond line")

    redacted = mask.redact("a pass/word+1= b pass%2Fword%2B1%3D c second line d")

    assert "word" not in redacted
    assert "second" not in redacted
