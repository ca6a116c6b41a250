"""Marks a deployment in Application Insights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from deploy_action.adapters.app_insights import annotate, track
from deploy_action.adapters.credentials import SignIn
from deploy_action.adapters.key_vault import KeyVault, SecretReference
from deploy_action.adapters.resource_manager import ResourceManager
from deploy_action.core.app_insights import AppInsights, Connection
from deploy_action.core.events import Event, RunEnded, TrafficShifted
from deploy_action.core.notification import VARIABLE, VAULT
from deploy_action.core.record import Record
from deploy_action.errors import DeployError
from deploy_action.report.app_insights import annotation, event
from deploy_action.runtime.polling import in_utc, now_utc
from deploy_action.services.announcements import Job

if TYPE_CHECKING:
    from deploy_action.services import Services

_COMMANDS = {"deploy", "rollback", "repair"}
_WITHOUT_EVENT = {"planned", "unchanged"}


@dataclass(slots=True)
class DeploymentMarker:
    """Writes an annotation when user traffic shifts and at the end, and one event at the end.

    Args:
        target: the setting.
        run: the run's id.
        arm: sends requests to Resource Manager.
        signed_in: signs in to Azure.
        identity: the client id of the identity that reads a vault.
        on_secret: masks a secret.
    """

    target: AppInsights
    run: str
    arm: ResourceManager
    signed_in: Callable[[], SignIn]
    identity: str
    on_secret: Callable[[str], None]
    _marked: bool = False

    def jobs(self, event: Event, record: Record) -> Sequence[Job]:
        """Return what to write because of *event*."""
        if record.command not in _COMMANDS:
            return ()
        match event:
            case TrafficShifted() if not self._marked and _reaches_users(event, record):
                self._marked = True
                return self._annotation(record, "traffic")
            case RunEnded() if event.result not in _WITHOUT_EVENT:
                # A rollback is one moment, a deployment is two.
                twice = self._marked and record.command == "deploy"
                return [*(self._annotation(record, "end") if twice else ()), *self._event(record)]
        return ()

    def _annotation(self, record: Record, moment: str) -> Sequence[Job]:
        resource = self.target.resource
        if not resource:
            return ()
        now = in_utc(now_utc())
        body = annotation(record, run=self.run, moment=moment, timestamp=now)
        what = f"Release annotation in Application Insights '{self.target.name}'"
        return [Job(what=what, work=lambda: annotate(self.arm, resource, body))]

    def _event(self, record: Record) -> Sequence[Job]:
        if not self.target.connection_string:
            return ()
        session: SignIn | None = None
        if VAULT.fullmatch(self.target.connection_string):
            session = self.signed_in()  # in this thread, which may also report it
        body = event(record, timestamp=in_utc(now_utc()))
        work = partial(self._track, body, session)
        return [Job(what="Event for Application Insights", work=work)]

    def _track(self, body: dict[str, Any], session: SignIn | None) -> str:
        try:
            connection = self.connection(session)
        except DeployError as error:
            return error.message
        except ValueError as error:
            return str(error)
        return track(connection.endpoint, {**body, "iKey": connection.key})

    def connection(self, session: SignIn | None) -> Connection:
        """Return the connection.

        Args:
            session: reads the vault; None if the connection string is not in a vault.

        Raises:
            ValueError: the connection string is not valid, or its variable is empty.
            DeployError: it cannot be read from its vault.
        """
        text = self.target.connection_string
        if session is not None:
            vault = KeyVault(token=session.token, identity=self.identity, on_secret=self.on_secret)
            text = vault.read(SecretReference.parse(text)).strip()
            for secret in AppInsights(connection_string=text).secrets():
                self.on_secret(secret)
        if empty := VARIABLE.fullmatch(text):
            raise ValueError(
                f"connection-string: the variable {empty[1]} is empty in the step's environment"
            )
        return Connection.parse(text)


def make_marker(services: Services) -> DeploymentMarker:
    """Return the marker for the settings."""
    return DeploymentMarker(
        target=services.settings.app_insights,
        run=services.run.id,
        arm=services.resource_manager,
        signed_in=lambda: services.signed_in,
        identity=services.settings.client_id,
        on_secret=services.secret,
    )


def _reaches_users(shifted: TrafficShifted, record: Record) -> bool:
    """Whether the attempted revision gets traffic by this change."""
    attempted = record.outcome.attempted.revision
    return bool(attempted) and shifted.split.weight_of(attempted) > 0
