"""The cache around a deployment: cleared, told what serves now. It never breaks a deployment
unless it was said to be required.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy_action.core.record import Record
from deploy_action.errors import DeployError

if TYPE_CHECKING:  # an app without a cache loads no Redis client
    from deploy_action.adapters.cache import Cache

CURRENT_KEY = "deployment:current"
HISTORY_KEY = "deployment:history"
HISTORY_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """What is done to the cache, or to none.

    Args:
        cache: None where the app has none.
        patterns: the keys to clear.
        required: whether a cache that fails stops the run.
        ttl_s: how long the metadata stays, in seconds.
    """

    cache: Cache | None
    patterns: tuple[str, ...]
    required: bool
    ttl_s: int
    record: Record

    def clear(self, moment: str) -> str:
        """Clear the patterns; returns how it went, in words.

        Raises:
            DeployError: it failed and the cache is required.
        """
        if self.cache is None or not self.patterns:
            return "no cache"
        try:
            done = self.cache.clear(self.patterns)
        except DeployError as error:
            if self.required:
                raise
            self.record.warn(f"The cache was not cleared ({moment}): {error}")
            return "not cleared"
        removed = tuple((item.pattern, item.removed) for item in done.patterns)
        self.record.cleared(moment, removed, complete=done.complete)
        return f"{sum(count for _, count in removed)} keys removed"

    def tell(self, facts: dict[str, str]) -> None:
        """Write the deployment's metadata under `deployment:current` and its history."""
        if self.cache is None:
            return
        value = json.dumps(facts, sort_keys=True)
        try:
            self.cache.put(CURRENT_KEY, value, self.ttl_s)
            self.cache.push_history(HISTORY_KEY, value, HISTORY_KEPT, self.ttl_s)
        except DeployError as error:
            if self.required:
                raise
            self.record.warn(f"The deployment's metadata is not in the cache: {error}")
