"""A cache that only the app can reach, cleared over the app's own endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from aiohttp import web

from deploy_action.adapters.cache.http_endpoint import CacheEndpoint, EndpointError
from deploy_action.errors import InputError
from tests.support.sandbox_parts import BackgroundLoop

BODY = '{"patterns": {patterns}}'


@pytest.fixture
def backstage() -> Iterator[BackgroundLoop]:
    with BackgroundLoop() as stage:
        yield stage


def serving(backstage: BackgroundLoop, answer: object, bodies: list[object]) -> str:
    """Serve *answer* for requests with the secret."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("X-Secret") != "s3cret":
            return web.Response(status=401)
        bodies.append(json.loads(await request.text()))
        return web.Response(text=answer if isinstance(answer, str) else json.dumps(answer))

    return backstage.serve(handle)


@pytest.mark.parametrize(
    ("answer", "counts"),
    [
        ({"removed": 7}, [7, 0]),
        ({"deleted": {"manifest:*": 3, "config:*": 4}}, [3, 4]),
        ({"count": "many"}, [0, 0]),
        ("done", [0, 0]),
        ([1, 2], [0, 0]),
    ],
)
def test_the_patterns_are_posted_and_the_counts_are_read(
    backstage: BackgroundLoop, answer: object, counts: list[int]
) -> None:
    bodies: list[object] = []
    url = serving(backstage, answer, bodies)

    done = CacheEndpoint(url, header=("X-Secret", "s3cret"), body=BODY).clear(
        ["manifest:*", "config:*"]
    )

    assert bodies == [{"patterns": ["manifest:*", "config:*"]}]
    assert [item.removed for item in done.patterns] == counts


def test_a_wrong_secret_is_reported_but_not_quoted(backstage: BackgroundLoop) -> None:
    url = serving(backstage, {}, [])
    endpoint = CacheEndpoint(url, header=("X-Secret", "wr0ng"), body=BODY)

    with pytest.raises(EndpointError, match="returned status 401") as refused:
        endpoint.clear(["manifest:*"])

    assert "cache-endpoint-header" in refused.value.hint
    assert "wr0ng" not in str(refused.value)


def test_a_refused_connection_is_reported() -> None:
    with pytest.raises(EndpointError, match="did not respond: the connection was refused"):
        CacheEndpoint("http://127.0.0.1:1/clear", body=BODY).clear(["manifest:*"])


def test_a_pattern_for_every_key_is_refused_without_a_request() -> None:
    with pytest.raises(InputError, match="matches every key"):
        CacheEndpoint("http://127.0.0.1:1/clear", body=BODY).clear(["*"])
