"""The app's system events and its containers' console logs, from the streams of Container Apps.

No Log Analytics workspace is needed: a token of the app (action ``getAuthToken``, part of the role
Container Apps Contributor) opens both streams at ``<region>.azurecontainerapps.dev``. The platform
keeps the newest 300 lines of each. Source: what ``az containerapp logs show`` sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from deploy_action.core.diagnosis import SystemEvent
from deploy_action.errors import DeployError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.credential_hosts import Credential
from deploy_action.runtime.http import HttpClient, RequestError

if TYPE_CHECKING:
    from deploy_action.adapters.resource_manager import ResourceManager

API_VERSION = "2025-07-01"
MOST_LINES = 300
# The token opens the app's logs, so it goes to the platform's own host only.
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.azurecontainerapps\.dev")
_CHATTER = ("Connecting to the container", "Successfully Connected to container")
_TIMEOUT_S = 10.0


class LogsUnavailableError(DeployError):
    """The streams could not be read."""


@dataclass(slots=True, kw_only=True)
class EventStream:
    """Reads the streams of one app; safe to use from several threads.

    Args:
        arm: sends requests to Resource Manager.
        app_id: the app's resource ID.
        on_secret: receives the app's token before it is used, to mask it.
    """

    arm: ResourceManager
    app_id: str
    on_secret: Callable[[str], None]
    _opened: tuple[str, str] | None = field(default=None, init=False)
    _opening: Lock = field(default_factory=Lock, init=False)
    _http: HttpClient = field(default_factory=HttpClient, init=False)

    def system_events(self, revision: str, since_s: float) -> tuple[SystemEvent, ...]:
        """Return the platform's events about a revision, oldest first.

        The stream contains all revisions, and a replaced revision logs failures during its removal:
        only this revision counts, and only what happened after *since_s* (seconds since 1970).

        Raises:
            LogsUnavailableError: the stream could not be read.
        """
        events = (_event(record) for record in self._records("/eventstream"))
        return tuple(
            event
            for event in events
            if event and event.revision == revision and event.at_s >= since_s
        )

    def console_lines(self, revision: str, count: int) -> tuple[str, ...]:
        """Return the last lines that the revision's containers wrote, of one replica.

        Raises:
            LogsUnavailableError: there is no replica any more, or the stream could not be read.
        """
        path = f"{self.app_id}/revisions/{revision}/replicas"
        response = self.arm.get(path, {"api-version": API_VERSION})
        if not response.ok:
            raise LogsUnavailableError(f"The replicas could not be listed: {response.problem}")
        lines: list[str] = []
        for replica, container in _containers(response.body):
            part = f"/revisions/{revision}/replicas/{replica}/containers/{container}/logstream"
            for record in self._records(part):
                text = re.sub(r"^[FP] ", "", str(record.get("Log") or ""))
                if not text.startswith(_CHATTER):
                    lines.append(text)
            if lines:
                break
        return tuple(lines[-count:])

    def _records(self, part: str) -> Iterator[Mapping[str, Any]]:
        with self._opening:
            self._opened = self._opened or self._open()
        base, token = self._opened
        url = f"{base}{quote(part)}?follow=false&output=json&tailLines={MOST_LINES}"
        try:
            headers = credential_hosts.bearer(Credential.EVENT_STREAM, token, url)
            response = self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
        except RequestError as error:
            raise LogsUnavailableError(f"The log stream could not be read: {error}.") from None
        if response.status != 200:
            raise LogsUnavailableError(f"The log stream returned status {response.status}.")
        for line in response.text.splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield record

    def _open(self) -> tuple[str, str]:
        """Return the streams' base URL and a token for them."""
        version = {"api-version": API_VERSION}
        app = self.arm.get(self.app_id, version)
        properties = app.body.get("properties")
        endpoint = str((properties or {}).get("eventStreamEndpoint") or "")
        host = urlsplit(endpoint).hostname or ""
        if not endpoint.startswith("https://") or not _HOST.fullmatch(host):
            reason = app.problem or f"'{host}' is not a Container Apps host"
            raise LogsUnavailableError(f"The URL of the app's event stream is unknown: {reason}.")
        answer = self.arm.post(f"{self.app_id}/getAuthToken", version)
        token = str((answer.body.get("properties") or {}).get("token") or "")
        if not token:
            reason = answer.problem or "Azure returned none"
            raise LogsUnavailableError(
                f"No token for the app's logs: {reason}.",
                hint="Reading logs requires the permission "
                "Microsoft.App/containerApps/getAuthToken.",
            )
        self.on_secret(token)
        group = self.app_id.replace("/providers/Microsoft.App/", "/")
        return f"https://{host}{quote(group)}", token


def _event(record: Mapping[str, Any]) -> SystemEvent | None:
    """Read a record; None for records about the stream itself, which have no revision."""
    revision = record.get("RevisionName")
    if not revision:
        return None
    return SystemEvent(
        at_s=_time(str(record.get("TimeStamp") or "")),
        reason=str(record.get("Reason") or ""),
        text=str(record.get("Msg") or ""),
        revision=str(revision),
    )


def _time(stamp: str) -> float:
    """Return seconds since 1970; two formats occur in one stream. An unreadable time is now."""
    text = stamp.removesuffix(" UTC").replace(" +0000", "+00:00")
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float("inf")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _containers(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for replica in body.get("value") or ():
        for container in (replica.get("properties") or {}).get("containers") or ():
            yield str(replica.get("name") or ""), str(container.get("name") or "")
