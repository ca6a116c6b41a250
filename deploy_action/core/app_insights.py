"""Application Insights: where a deployment is marked, and how its connection string is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_DEFAULT_ENDPOINT = "https://dc.services.visualstudio.com"
_SHORTEST_KEY = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class AppInsights:
    """The setting ``app-insights``.

    Args:
        resource: resource ID of the component that gets release annotations; may be empty.
        connection_string: of the component that gets an event, a secret; may be empty, or a
            reference that is not resolved (``${NAME}`` if the variable is empty, or
            ``keyvault:VAULT/NAME``).
    """

    resource: str = ""
    connection_string: str = field(default="", repr=False)

    @property
    def is_set(self) -> bool:
        """Whether there is anything to mark."""
        return bool(self.resource or self.connection_string)

    @property
    def name(self) -> str:
        """The component's name."""
        return self.resource.rpartition("/")[2]

    def secrets(self) -> Iterator[str]:
        """Yield what must be masked."""
        if "=" in self.connection_string:
            yield self.connection_string
            key = _parts(self.connection_string).get("instrumentationkey", "")
            if len(key) >= _SHORTEST_KEY:
                yield key


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The contents of a connection string: key and ingestion URL."""

    key: str = field(repr=False)
    endpoint: str

    @classmethod
    def parse(cls, text: str) -> Connection:
        """Read a connection string.

        Raises:
            ValueError: it has no key; the message does not contain the string.
        """
        parts = _parts(text)
        key = parts.get("instrumentationkey", "")
        if not key:
            raise ValueError(
                "connection-string: it must be InstrumentationKey=…;IngestionEndpoint=https://…"
            )
        endpoint = parts.get("ingestionendpoint", "") or _DEFAULT_ENDPOINT
        return cls(key=key, endpoint=endpoint.rstrip("/"))


def _parts(text: str) -> dict[str, str]:
    pairs = (item.partition("=") for item in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
