"""Sends the configured notifications."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deploy_action.adapters.credentials import SignIn
from deploy_action.adapters.key_vault import KeyVault, SecretReference
from deploy_action.adapters.notify.sender import send
from deploy_action.adapters.notify.signature import key_of, signature_headers
from deploy_action.core.events import Event, PhaseEnded, RunEnded
from deploy_action.core.notification import VAULT, Channel, Notification
from deploy_action.core.notification import Event as Subject
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.errors import DeployError
from deploy_action.report.notifications import PAYLOADS, Message, events_of
from deploy_action.runtime.polling import in_utc, now_utc
from deploy_action.services.announcements import Job

if TYPE_CHECKING:
    from deploy_action.services import Services

_WITH_START = {"deploy", "rollback"}


@dataclass(slots=True)
class Notifier:
    """Turns events into messages.

    Args:
        notifications: the setting.
        run: the run's id.
        signed_in: signs in to Azure, for secrets in a vault.
        identity: the client id of the identity that reads them.
        on_secret: masks a secret.
    """

    notifications: Sequence[Notification]
    run: str
    signed_in: Callable[[], SignIn]
    identity: str
    on_secret: Callable[[str], None]

    def jobs(self, event: Event, record: Record) -> Sequence[Job]:
        """Return the messages to send because of *event*."""
        subjects = _subjects(event, record)
        if not subjects:
            return ()
        message = Message.of(record, subjects[0], run=self.run, timestamp=in_utc(now_utc()))
        return [
            Job(
                what=f"Notification to {notification.name}",
                work=self._work(notification, message),
            )
            for notification in self.notifications
            if notification.events.intersection(subjects)
        ]

    def _work(self, notification: Notification, message: Message) -> Callable[[], str]:
        body = json.dumps(PAYLOADS[notification.channel](message)).encode()
        session: SignIn | None = None
        if _in_vault(notification):
            try:
                session = self.signed_in()  # in this thread, which may also report it
            except DeployError as error:
                problem = error.message
                return lambda: problem
        return lambda: self._send(notification, message, body, session)

    def _send(
        self, notification: Notification, message: Message, body: bytes, session: SignIn | None
    ) -> str:
        if session is not None:
            try:
                notification = self.resolved(notification, session)
            except DeployError as error:
                return error.message
        if problem := target_problem(notification):
            return problem
        if notification.channel is not Channel.WEBHOOK:
            return send(notification.url, body, dict)
        key = key_of(notification.secret)
        return send(
            notification.url,
            body,
            lambda: signature_headers(key, id=message.id, timestamp=int(now_utc()), body=body),
        )

    def resolved(self, notification: Notification, session: SignIn) -> Notification:
        """Return *notification* with its secrets read from their vault; raises `DeployError`."""
        vault = KeyVault(token=session.token, identity=self.identity, on_secret=self.on_secret)
        url, secret = (
            vault.read(SecretReference.parse(text)).strip() if VAULT.fullmatch(text) else text
            for text in (notification.url, notification.secret)
        )
        resolved = replace(notification, url=url, secret=secret)
        for secret in resolved.secrets():
            self.on_secret(secret)
        return resolved


def make_notifier(services: Services) -> Notifier:
    """Return the notifier of the settings."""
    return Notifier(
        notifications=services.settings.notifications,
        run=services.run.id,
        signed_in=lambda: services.signed_in,
        identity=services.settings.client_id,
        on_secret=services.secret,
    )


def target_problem(notification: Notification) -> str:
    """Return why *notification* cannot be sent; empty if it can, as far as its secrets show."""
    problem = notification.problem()
    if (
        problem
        or notification.channel is not Channel.WEBHOOK
        or VAULT.fullmatch(notification.secret)
    ):
        return problem
    try:
        key_of(notification.secret)
    except ValueError as error:
        return str(error)
    return ""


def _in_vault(notification: Notification) -> bool:
    return bool(VAULT.fullmatch(notification.url) or VAULT.fullmatch(notification.secret))


def _subjects(event: Event, record: Record) -> tuple[Subject, ...]:
    match event:
        case PhaseEnded(phase=Phase.PLAN, ok=True):
            going_on = record.ending is None and record.command in _WITH_START
            return (Subject.STARTED,) if going_on else ()
        case RunEnded():
            return events_of(record)
    return ()
