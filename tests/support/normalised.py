"""Replaces what differs from run to run: times, durations, ids, commits and addresses.

What remains is compared with golden files: every sentence, its order, versions, weights and counts.
"""

from __future__ import annotations

import re
from typing import Any

from tests.stage import Stage

# Lines that depend on how long something took, and masks, which a runner does not show.
_OMITTED = re.compile(
    r"::add-mask::|\d\d:\d\d:\d\dZ progress |.* checks passed .* left\b|.* retrying in "
)
_PATTERNS = (
    (r"\b\d\d:\d\d:\d\dZ", "08:00:00Z"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "2027-01-15T08:00:00Z"),
    (r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "2027/01/15 08:00:00"),
    (r"[a-z]+-[0-9a-f]{8}(?=\.[a-z0-9]+\.azurecontainerapps\.io)", "orangetree-e53e6756"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "GUID"),
    (r"sha256:([0-9a-f]{64}|[0-9a-f]{12}…)", "sha256:DIGEST"),
    (r"\b(Successfully built) [0-9a-f]{12}\b", r"\1 IMAGE"),
    (r"\bca\d+\b", "ca1"),
    (r"\b[0-9a-f]{40}\b", "COMMIT"),
    (r"(?<=v1-3-0-\d-)[0-9a-f]{7}(?=-)", "abc1234"),
    (r"(?<=-t\d-)api-[0-9a-f]{8}\b", "api-HASH"),
    (r"(?<=\[`)[0-9a-f]{7}(?=`\])", "abc1234"),
    (
        r"(?<=pushed )[0-9a-f]{10}\b|(?<=commit )[0-9a-f]{10}\b|(?<=\()[0-9a-f]{10}(?=\))",
        "abc1234567",
    ),
    (r"(?m)(:(?:done|crit|active)), \d+, \d+$", r"\1, 0, 1000"),
    (r"\b[\d.]+ to [\d.]+ (min(?:utes)?|s)\b", r"N to N \1"),
    (r'("minutes": )\{[^}]*\}', r"\1{}"),
    (r"\b\d+(\.\d+)?( min \d+)? (s|ms|min|h)\b", "N s"),
    (r"(?m)^(duration: )\d+$", r"\1N"),
    (r"(?m)\b(hit rate|no reads yet).*?(?=`|$)", "STATISTICS"),
    (r"(?<=for example ).*", "KEYS"),
    (r"(\bmanifest:\*(?:` \|)?) [1-9]\d*(?:,\d{3})*", r"\1 N"),
    (r"(?m)^(cache-keys-cleared: )[1-9]\d*$", r"\1N"),
    (r"\b\d+ (responses|checks?|requests|times in a row)\b", r"N \1"),
    (r"\b[\d,]+ (keys removed)\b", r"N \1"),
    (r"\b(\d+) of \d+ checks", r"\1 of N checks"),
)


def normalised(stage: Stage, text: str) -> str:
    """Return *text* without what is different in every run of the same story."""
    text = "\n".join(line for line in text.splitlines() if not _OMITTED.match(line))
    text = text.replace(str(stage.scene.directory), "TEMP")
    text = re.sub(rf"\b{re.escape(stage.scene.app)}\b", "api", text)
    for pattern, replacement in _PATTERNS:
        text = re.sub(pattern, replacement, text)
    return text


def normalised_json(stage: Stage, value: Any) -> Any:
    """Return a JSON value whose texts are normalised; durations are 0."""
    match value:
        case str():
            return normalised(stage, value)
        case list():
            return [normalised_json(stage, item) for item in value]
        case dict():
            return {
                key: 0 if key.endswith("_s") else normalised_json(stage, item)
                for key, item in value.items()
            }
    return value
