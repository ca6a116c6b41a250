"""Messages for the exceptions of the Redis client, without secrets."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from deploy_action.core.cache.connection import CacheTarget
from deploy_action.errors import DeployError


class CacheError(DeployError):
    """An operation on the cache failed; the message names the cache and what to check."""


@contextmanager
def translate_errors(target: CacheTarget, what: str) -> Iterator[None]:
    """Translate the library's exceptions into `CacheError`; *what* completes "could not …".

    Raises:
        CacheError: for every exception of the library.
    """
    try:
        yield
    except (redis.RedisError, OSError) as error:
        why, hint = explain_error(error)
        raise CacheError(f"Redis at {target} could not {what}: {why}.", hint=hint) from None


def explain_error(error: BaseException) -> tuple[str, str]:
    """Return what went wrong, and what to look at; nothing of the library's own text."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    where = (
        "Check host and port in cache-url; a Redis without a public address cannot be reached from "
        "here: set cache-via to endpoint."
    )
    text = str(error).upper()
    for kinds, why, hint in (
        ((socket.gaierror,), "the name does not resolve", where),
        (
            (ssl.SSLError,),
            "TLS failed",
            "Check port and scheme: ports 6380 and 10000 use TLS.",
        ),
        ((ConnectionRefusedError,), "the connection was refused", where),
        (
            (redis.AuthenticationError,),
            "the user name or password was rejected",
            "Update the access key in cache-url.",
        ),
        (
            (redis.ReadOnlyError,),
            "it is a read-only replica",
            "Set cache-url to the primary's address.",
        ),
        (
            (redis.OutOfMemoryError,),
            "its memory is full",
            "Use a larger size or change the eviction policy.",
        ),
        ((redis.BusyLoadingError,), "it is still loading its data", "Wait, then run again."),
        (
            (redis.exceptions.NoPermissionError,),
            "this user lacks permission",
            "Allow this user to run the commands SCAN, UNLINK and SET.",
        ),
        ((redis.TimeoutError, TimeoutError), "it did not respond in time", where),
    ):
        if any(isinstance(exception, kinds) for exception in chain):
            return why, hint
    if "NOAUTH" in text or "WRONGPASS" in text:
        return "the user name or password was rejected", "Update the access key in cache-url."
    return f"{type(error).__name__}", where
