"""Notifications: which events of a run are sent to which channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import SplitResult, urlsplit

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
VAULT = re.compile(r"keyvault:[A-Za-z0-9-]+/[A-Za-z0-9/-]+")
_RETIRED = ".webhook.office.com"  # Microsoft 365 connectors of Teams
_SHORTEST_MASKED = 16  # shorter paths, such as /deployments, are no secret and are ordinary words


class Channel(Enum):
    """Channel of a notification."""

    SLACK = "slack"
    TEAMS = "teams"
    WEBHOOK = "webhook"


class Event(Enum):
    """Event of a notification; the value is its name in the settings."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled-back"
    ACTION_REQUIRED = "action-required"


DEFAULT_EVENTS = frozenset(Event) - {Event.STARTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One entry of the setting ``notifications``.

    Args:
        channel: how it is delivered.
        events: what it is sent for.
        url: where it is sent, a secret; or a reference that is not resolved: ``${NAME}`` if the
            variable is empty, or ``keyvault:VAULT/NAME``.
        secret: signs a webhook's messages; the same forms.
    """

    channel: Channel
    events: frozenset[Event] = DEFAULT_EVENTS
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The host of the URL, which may be shown; empty if the URL is not known or invalid."""
        parts = _split(self.url)
        return (parts.hostname or "") if parts else ""

    @property
    def name(self) -> str:
        """The name in messages."""
        return f"{self.channel.value} ({self.host})" if self.host else self.channel.value

    def secrets(self) -> Iterator[str]:
        """Yield what must be masked: the URL, its secret part, and the signing secret."""
        for text in (self.url, self.secret):
            if text and not is_reference(text):
                yield text
        yield self.secret.removeprefix("whsec_") if not is_reference(self.secret) else ""
        parts = _split(self.url)
        if parts:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            for text in (target, parts.path.rpartition("/")[2]):
                if len(text) >= _SHORTEST_MASKED:
                    yield text

    def problem(self) -> str:
        """Return why nothing can be sent; empty if something can, or if a vault must be read."""
        for name, text in (("url", self.url), ("secret", self.secret)):
            if empty := VARIABLE.fullmatch(text):
                return f"{name}: the variable {empty[1]} is empty in the step's environment"
        return "" if VAULT.fullmatch(self.url) else url_problem(self.url)


def is_reference(text: str) -> bool:
    """Whether *text* is a reference to a secret and not the secret itself."""
    return bool(VARIABLE.fullmatch(text) or VAULT.fullmatch(text))


def url_problem(url: str) -> str:
    """Return why *url* cannot receive a notification, without showing it; else an empty text."""
    parts = _split(url)
    if parts is None or parts.scheme != "https" or not parts.hostname:
        return "url: it must be a URL that begins with https://"
    if parts.username is not None or parts.password is not None:
        return "url: it must not contain a user name or password"
    if parts.hostname.endswith(_RETIRED):
        return (
            "url: Microsoft has retired the connectors of Teams; create a webhook with the app "
            "Workflows"
        )
    return ""


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  raises ValueError for an invalid port
    except ValueError:
        return None
    return parts if not re.search(r"[\s\x00-\x1f]", url) else None
