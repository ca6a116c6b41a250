"""Records the commands of a Redis client: names, patterns and counts, never keys or values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deploy_action.core.amount import amount
from deploy_action.runtime.request_trace import TRACE

_BY_KEYS = frozenset({"DEL", "UNLINK"})


def traced(client: Any) -> Any:
    """Record each command of *client* and of its pipelines; return the client."""
    execute, pipeline = client.execute_command, client.pipeline

    def execute_and_record(*words: Any, **options: Any) -> Any:
        with TRACE.measured(f"redis {describe(words)}") as outcome:
            reply = execute(*words, **options)
            outcome.extend(_outcomes([reply]))
        return reply

    def open_and_record(*words: Any, **options: Any) -> Any:
        return _traced_pipeline(pipeline(*words, **options))

    client.execute_command, client.pipeline = execute_and_record, open_and_record
    return client


def _traced_pipeline(pipe: Any) -> Any:
    """Record the commands of a pipeline as one request."""
    add, execute, commands = pipe.execute_command, pipe.execute, list[str]()

    def add_and_describe(*words: Any, **options: Any) -> Any:
        commands.append(describe(words))
        return add(*words, **options)

    def execute_and_record(*words: Any, **options: Any) -> Any:
        with TRACE.measured(f"redis {_shortened(commands)}") as outcome:
            replies = execute(*words, **options)
            outcome.extend(_outcomes(replies))
        return replies

    pipe.execute_command, pipe.execute = add_and_describe, execute_and_record
    return pipe


def describe(words: Sequence[Any]) -> str:
    """Return a command as text, without anything that may be a secret.

    >>> describe(["SCAN", 0, "MATCH", b"page:*", "COUNT", 2000])
    'SCAN MATCH page:* COUNT 2000'
    >>> describe(["UNLINK", b"page:1", b"page:2"])
    'UNLINK 2 keys'
    >>> describe(["SET", "deployment", "value", "EX", 60])
    'SET'
    """
    name, *arguments = (str(words[0]).upper(), *words[1:])
    if name == "SCAN":
        return " ".join([name, *(_text(word) for word in arguments[1:])])
    if name in _BY_KEYS:
        return f"{name} {amount(len(arguments), 'key')}"
    return name


def _shortened(commands: Sequence[str]) -> str:
    """Return the commands of a pipeline; one per key would make a very long line."""
    most = 5
    rest = len(commands) - most
    return ", ".join([*commands[:most], *([f"{rest} more"] if rest > 0 else [])])


def _outcomes(replies: Sequence[Any]) -> list[str]:
    return [text for reply in replies[:5] if (text := _outcome(reply))]


def _outcome(reply: Any) -> str:
    match reply:
        case Exception():
            return type(reply).__name__
        case bool():
            return ""
        case int():
            return str(reply)
        case (int(), list(keys)):
            return f"{amount(len(keys), 'key')} found"
    return ""


def _text(word: Any) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word)
