"""Parses where a Redis is, from a URL or from the connection string of Azure's portal.

Source: "redis" and "rediss" URI schemes; StackExchange.Redis, "Configuration" (the form that the
portal shows). Ports: 6380 is TLS on Azure Cache for Redis, 10000 on Azure Managed Redis.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from deploy_action.errors import InputError

_CLASSIC, _MANAGED = ".redis.cache.windows.net", ".redis.azure.net"
_HOST = re.compile(r"[\w.-]+(:\d+)?")
# Source: StackExchange.Redis, "Configuration Options".
_OPTIONS = re.compile(
    "abortconnect|allowadmin|asynctimeout|channelprefix|checkcertificaterevocation|configchannel"
    "|configcheckseconds|connectretry|connecttimeout|defaultdatabase|heartbeatconsistencychecks"
    "|heartbeatinterval|highintegrity|keepalive|librarynamesuffix|name|password|preferioprocessor"
    "|protocol|proxy|resolvedns|responsetimeout|servicename|setlib|ssl|sslhost|sslprotocols"
    "|synctimeout|tiebreaker|tunnel|user|version|writebuffer"
)
_HINT = (
    "Use rediss://:KEY@HOST:6380/0, or the portal's connection string "
    "HOST:6380,password=KEY,ssl=True."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheTarget:
    """One Redis.

    Args:
        host: its name or address.
        port: where it listens.
        tls: whether the connection is encrypted.
        username: the ACL user; empty for the default one.
        password: its secret; never shown.
        database: the number of the database.
        ignored: options of a connection string that are ignored.
    """

    host: str
    port: int
    tls: bool
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse(text: str) -> CacheTarget:
    """Read where a Redis is.

    Args:
        text: ``redis://``, ``rediss://`` or ``host:port,password=…,ssl=True,…``.

    Raises:
        InputError: *text* has neither form; the message shows no part of it.
    """
    text = text.strip()
    try:
        connection = _url(text) if "://" in text else _string(text)
    except ValueError as error:
        raise InputError(f"Input cache-url: {error}.", hint=_HINT) from None
    if not connection.host:
        raise InputError("Input cache-url: it has no host.", hint=_HINT)
    return connection


def _url(text: str) -> CacheTarget:
    if text.partition("://")[0].lower() not in {"redis", "rediss"}:
        raise ValueError("the scheme is not redis or rediss")
    try:
        parts = urlsplit(text)
    except ValueError:  # its message would show the part with the password
        raise ValueError("it is not a valid URL; percent-encode the password") from None
    tls = parts.scheme == "rediss"
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port is not a number up to 65535") from None
    return CacheTarget(
        host=host,
        port=port or _port(host, tls=tls),
        tls=tls,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=_number(parts.path.strip("/") or "0", "database"),
    )


def _string(text: str) -> CacheTarget:
    first, *rest = [part.strip() for part in text.split(",")]
    # Several hosts may come first; they are one cache, and the first is enough to find the others.
    options = {}
    for part in rest:
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if equals and _OPTIONS.fullmatch(name):
            options[name] = value
        elif "password" in options or not _HOST.fullmatch(part):
            # Probably the rest of a password that has a comma.
            raise ValueError(
                "an option of the connection string is unknown; if the password contains a comma, "
                "use a redis:// URL with the password percent-encoded"
            )
    host, colon, port = first.rpartition(":")
    if not colon:
        host, port = first, ""
    if not re.fullmatch(r"[\w.-]+", host):
        raise ValueError("it is neither a redis:// URL nor a connection string")
    ssl = options.pop("ssl", "").lower()
    azure = host.endswith((_CLASSIC, _MANAGED))
    tls = ssl == "true" or (not ssl and azure)
    return CacheTarget(
        host=host,
        port=_number(port, "port") if port else _port(host, tls=tls),
        tls=tls,
        username=options.pop("user", ""),
        password=options.pop("password", ""),
        database=_number(options.pop("defaultdatabase", "") or "0", "database"),
        ignored=tuple(sorted(options)),
    )


def _port(host: str, *, tls: bool) -> int:
    if host.endswith(_MANAGED):
        return 10000
    return 6380 if tls and host.endswith(_CLASSIC) else 6379


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"the {what} is not a number up to 65535")
    return int(text)
