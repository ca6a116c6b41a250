"""Writes the system events of a revision and of one replica; the texts are the recorded ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from deploy_action.sandbox.world.events import CONTROLLER, KEDA, SystemEvent
from deploy_action.sandbox.world.model import App, Revision

WARNING: Final = "Warning"


def record(
    app: App,
    at: datetime,
    reason: str,
    text: str,
    *,
    revision: str = "",
    replica: str = "",
    kind: str = "Normal",
    source: str = CONTROLLER,
    count: int = 1,
) -> None:
    """Add one record to the events of *app*."""
    app.events.add(SystemEvent(at, reason, text, revision, replica, kind, source, count))


class Notes:
    """The events of one replica.

    Args:
        app: whose events they are.
        revision: the replica's.
        replica: its name.
        container: the name of the container that runs in it.
        now: the date.
    """

    def __init__(
        self,
        app: App,
        revision: Revision,
        replica: str,
        container: str,
        now: Callable[[], datetime],
    ) -> None:
        self._app = app
        self.revision = revision
        self._replica = replica
        self._container = container
        self._now = now

    def assigned(self) -> None:
        """Record that the replica was assigned to a node."""
        text = f"Replica '{self._replica}' has been scheduled to run on a node."
        self._add("AssigningReplica", text)

    def pulling(self, image: str) -> None:
        """A pull begins."""
        self._add("PullingImage", f"Pulling image '{image}'")

    def pulled(self, image: str, took_s: float) -> None:
        """A pull has ended well."""
        self._add("PulledImage", f'Successfully pulled image "{image}" in {took_s:.2f}s.')

    def unauthorized(self) -> None:
        """The registry refuses the app's identity; recorded as a normal event."""
        text = "Container pull image failed with unauthorized error."
        self._add("ImagePullUnauthorized", text)

    def not_pulled(self, image: str) -> None:
        """The registry does not have the image, or does not give it."""
        self._terminated(
            "",
            "ImagePullFailure",
            f" Image {image} not found in registry. ErrorMessage=Image not found or access denied.",
        )

    @contextlib.contextmanager
    def creation(self) -> Iterator[None]:
        """The container is created and started, or that fails."""
        try:
            yield
        except RuntimeError as error:
            self._terminated("1", "ContainerCreateFailure", f" Status({error})")
            raise
        self._add("ContainerCreated", f"Created container '{self._container}'")
        self._add("ContainerStarted", f"Started container '{self._container}'")

    def ended(self, exit_code: int | None) -> None:
        """The program has ended, or its probes have failed while it runs."""
        if exit_code is None:
            self._terminated("", "ProbeFailure")
        else:
            self._terminated(str(exit_code), "ProcessExited")

    def stopped(self) -> None:
        """Record that the replica is stopped by a deactivation or scale-down."""
        self._terminated("", "ManuallyStopped")

    def probe_failed(self, probe: str, code: int, misses: int) -> None:
        """Record that a probe has failed, the first time and at each doubling.

        Args:
            probe: ``StartUp``, ``Readiness`` or ``Liveness``.
            code: the HTTP status; 1 means that nothing answers.
            misses: how often it has failed in a row; 0 records nothing.
        """
        if misses and not misses & (misses - 1):
            text = f"Probe of {probe} failed with status code: {code}"
            self._add("ProbeFailed", text, kind=WARNING, count=misses)

    def startup_failed(self) -> None:
        """The startup probe has failed too often."""
        text = f"Container {self._container} failed startup probe, will be restarted"
        self._add("ProbeFailed", text, kind=WARNING)

    def _terminated(self, exit_code: str, reason: str, more: str = "") -> None:
        text = (
            f"Container '{self._container}' was terminated with exit code '{exit_code}' "
            f"and reason '{reason}'.{more}"
        )
        self._add("ContainerTerminated", text, kind=WARNING)

    def _add(self, reason: str, text: str, *, kind: str = "Normal", count: int = 1) -> None:
        record(
            self._app,
            self._now(),
            reason,
            text,
            revision=self.revision.name,
            replica=self._replica,
            kind=kind,
            count=count,
        )


def port_mismatch(app: App, revision: Revision, at: datetime) -> None:
    """Record that the program listens on another port than the target port."""
    record(app, at, "Pending:PortMismatch", revision.details, revision=revision.name)


def scalers_started(app: App, revision: Revision, at: datetime) -> None:
    """Record that KEDA started its scalers."""
    text = f"KEDA is starting a watch for revision '{revision.name}' to monitor scale operations"
    record(app, at, "KEDAScalersStarted", text, revision=revision.name, source=KEDA)


def scalers_stopped(app: App, revision: Revision, at: datetime) -> None:
    """Record that KEDA stopped its scalers."""
    text = f"KEDA is stopping the watch for revision '{revision.name}'"
    record(app, at, "KEDAScalersStopped", text, revision=revision.name, source=KEDA)


def synced(app: App, at: datetime, secret: Mapping[str, str], *, succeeded: bool) -> None:
    """Record that a Key Vault reference was read, or could not be."""
    name, url = secret["name"], secret["keyVaultUrl"]
    reason = "SyncingSecretFromAzureKeyVaultForContainerApp"
    if succeeded:
        text = f"Successfully synced secret '{name}' from Azure Key Vault '{url}'"
        record(app, at, f"{reason}Succeeded", text)
    else:
        text = f"Failed to sync secret '{name}' from Azure Key Vault '{url}'"
        record(app, at, f"{reason}Failed", text, kind=WARNING)


def restarted_with_new_secrets(app: App, revision: Revision, at: datetime) -> None:
    """Record that an active revision restarts because a secret has a new value."""
    text = f"Restarting revision '{revision.name}' with new secrets"
    record(app, at, "RevisionRestartWithNewSecrets", text, revision=revision.name)


def scaled_to_zero(app: App, revision: Revision, at: datetime) -> None:
    """KEDA has removed the last replica."""
    text = f"Deactivated apps/v1.Deployment k8se-apps/{revision.name} from 1 to 0"
    record(app, at, "KEDAScaleTargetDeactivated", text, revision=revision.name, source=KEDA)
