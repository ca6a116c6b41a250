"""Parsing the cache's URL or connection string."""

import pytest

from deploy_action.core.cache.connection import CacheTarget, parse
from deploy_action.errors import InputError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("redis://localhost", CacheTarget(host="localhost", port=6379, tls=False)),
        (
            "rediss://:a%2Fb%3D@cache.redis.cache.windows.net/3",
            CacheTarget(
                host="cache.redis.cache.windows.net",
                port=6380,
                tls=True,
                password="a/b=",
                database=3,
            ),
        ),
        (
            "rediss://app:key@x.westeurope.redis.azure.net",
            CacheTarget(
                host="x.westeurope.redis.azure.net",
                port=10000,
                tls=True,
                username="app",
                password="key",
            ),
        ),
        (
            "c.redis.cache.windows.net:6380,password=k+/=,ssl=True,abortConnect=False",
            CacheTarget(
                host="c.redis.cache.windows.net",
                port=6380,
                tls=True,
                password="k+/=",
                ignored=("abortconnect",),
            ),
        ),
        (
            "10.0.0.4:6379,ssl=false,user=app,password=k,defaultDatabase=2",
            CacheTarget(
                host="10.0.0.4", port=6379, tls=False, username="app", password="k", database=2
            ),
        ),
        (
            "c.redis.cache.windows.net,password=k",
            CacheTarget(host="c.redis.cache.windows.net", port=6380, tls=True, password="k"),
        ),
    ],
)
def test_a_url_and_a_connection_string_are_parsed(text: str, target: CacheTarget) -> None:
    result = parse(text)

    assert result == target
    assert result.password == target.password
    assert not target.password or target.password not in repr(result)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("http://:hunter2@host", "scheme"),
        ("rediss://:hunter2@host:port", "port"),
        ("rediss://:hunter2@host/db", "database"),
        ("rediss://", "no host"),
        ("password=hunter2,ssl=True", "neither"),
        ("host:99999,password=hunter2", "port"),
    ],
)
def test_any_other_text_is_refused_and_not_quoted(text: str, word: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)

    assert "cache-url" in caught.value.message
    assert word in caught.value.message
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "host:6380,password=hush,more=,ssl=True",
        "host:6380,password=hush,more,ssl=True",
        "rediss://:hush/more@host:6380/x",
        "rediss://:hush[more@host",
        "rediss://user:hush\N{FULLWIDTH SOLIDUS}more@host",
        "rediss://host:hush",
        "hush://more",
        "hush-more://",
        "hush=more",
        "host:hush,password=more",
        "redis://:hush@host/more",
    ],
)
def test_s1_a_connection_that_cannot_be_parsed_shows_no_part_of_its_password(text: str) -> None:
    try:
        target = parse(text)
    except InputError as error:
        shown = str(error)
    else:
        shown = f"{target} {target.ignored}"

    assert "hush" not in shown
    assert "more" not in shown
