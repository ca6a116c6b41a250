"""A Redis server that sends oversized responses."""

from __future__ import annotations

import pytest

from deploy_action.adapters.cache import Cache
from deploy_action.adapters.cache.errors import CacheError
from deploy_action.core.cache.connection import parse
from tests.support.redis_flood import flood


def test_l1_a_response_of_redis_is_not_read_beyond_its_limit() -> None:
    with flood() as server:
        with pytest.raises(CacheError):
            Cache(parse(f"redis://127.0.0.1:{server.port}")).get("key")
        server.closed.acquire()
