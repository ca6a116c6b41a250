"""One build in a registry: its states and its log, as the build service shows them.

Source: Microsoft.ContainerRegistry 2019-06-01-preview, "Run"; the log's lines are as seen in public
logs of `az acr build`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from deploy_action.sandbox.acr_tasks.blobs import Blob
from deploy_action.sandbox.acr_tasks.builder import ImageBuilder
from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed
from deploy_action.sandbox.registry import Reference
from deploy_action.sandbox.registry.archives import UnsafeArchive, unpack
from deploy_action.sandbox.registry.errors import Refusal

_DEFAULT_TIMEOUT_S: Final = 3600
_FAILED: Final = "failed during run, err: exit status 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A DockerBuildRequest."""

    names: tuple[str, ...]
    push: bool
    dockerfile: str
    arguments: Mapping[str, str]
    target: str
    timeout_s: int
    source: str
    platform: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any], host: str) -> Order:
        """Read the request's body; image names get the registry's *host* where they have none.

        Raises:
            ValueError: a field is missing or not supported; the message names it.
        """
        kind = body.get("type")
        if kind != "DockerBuildRequest":
            raise ValueError(f"a run of type '{kind}' is not supported by the sandbox")
        for field_name in ("sourceLocation", "dockerFilePath", "platform"):
            if not body.get(field_name):
                raise ValueError(f"the field '{field_name}' is required")
        names = [str(name) for name in body.get("imageNames") or []]
        arguments = {str(item["name"]): str(item["value"]) for item in body.get("arguments") or []}
        return cls(
            names=tuple(
                name if name.startswith(f"{host}/") else f"{host}/{name}" for name in names
            ),
            push=bool(body.get("isPushEnabled", True)) and bool(names),
            dockerfile=str(body["dockerFilePath"]),
            arguments=arguments,
            target=str(body.get("target") or ""),
            timeout_s=int(body.get("timeout") or _DEFAULT_TIMEOUT_S),
            source=str(body["sourceLocation"]),
            platform={"os": "linux", "architecture": "amd64", **_lowered(body["platform"])},
        )


@dataclass(slots=True, kw_only=True)
class Run:
    """One run; *status* is Queued, Running, Succeeded, Failed, Canceled or Timeout."""

    run_id: str
    host: str
    order: Order
    log: Blob
    status: str = "Queued"
    error: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    finished: datetime | None = None
    outputs: list[dict[str, str]] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def properties(self) -> dict[str, Any]:
        """Return ARM's ``properties`` of it."""
        properties: dict[str, Any] = {
            "runId": self.run_id,
            "status": self.status,
            "lastUpdatedTime": _time(self.finished or self.started or self.created),
            "runType": "QuickBuild",
            "createTime": _time(self.created),
            "platform": self.order.platform,
            "agentConfiguration": {"cpu": 2},
            "provisioningState": "Succeeded",
            "isArchiveEnabled": False,
        }
        if self.started:
            properties["startTime"] = _time(self.started)
        if self.finished:
            properties["finishTime"] = _time(self.finished)
            properties["outputImages"] = self.outputs
        if self.error:
            properties["runErrorMessage"] = self.error
        return properties

    async def carry_out(self, builder: ImageBuilder, source: Path | None, scratch: Path) -> None:
        """Build and push; raises only when cancelled. *scratch* is created and removed."""
        self.status, self.started = "Running", datetime.now(UTC)
        try:
            async with asyncio.timeout(self.order.timeout_s):
                await self._build(builder, source, scratch)
        except TimeoutError:
            self._end("Timeout", f"timeout of {self.order.timeout_s} s reached")
        except asyncio.CancelledError:
            self._end("Canceled", "run was canceled")
            raise
        except (BuildFailed, UnsafeArchive, Refusal) as error:
            self._line(str(error))
            self._line("failed to run step ID: build: exit status 1", stamp=True)
            self._end("Failed", _FAILED)
        except Exception as error:  # noqa: BLE001  a run must end; the log says how
            self._line(f"{type(error).__name__}: {error}")
            self._end("Failed", _FAILED)
        else:
            self._end("Succeeded", "")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def cancel(self) -> None:
        """Cancel the run, started or not."""
        if self.task and not self.finished:
            self.task.cancel()
            if self.status == "Queued":
                self._end("Canceled", "run was canceled")

    async def _build(self, builder: ImageBuilder, source: Path | None, scratch: Path) -> None:
        self._line("Downloading source code...", stamp=True)
        if source is None:
            raise BuildFailed(f"failed to download context: {self.order.source} was never uploaded")
        await asyncio.to_thread(unpack, source, scratch)
        self._line("Finished downloading source code", stamp=True)
        self._line(f"Logging in to registry: {self.host}", stamp=True)
        self._line(f"Successfully logged into {self.host}", stamp=True)
        self._line("Launching container with name: build", stamp=True)
        names = self.order.names or (f"{self.host}/unnamed:latest",)
        image = await builder.build(
            scratch,
            names[0],
            self.order.dockerfile,
            self.order.arguments,
            also=names[1:],
            target=self.order.target,
            push=self.order.push,
            log=self._line,
        )
        self._line("Successfully executed container: build", stamp=True)
        if not self.order.push:
            return
        for name in names:
            self._line(f"Pushing image: {name}, attempt 1", stamp=True)
            parsed = Reference.parse(name)
            self._line(f"{parsed.tag}: digest: {image.digest}")
            self._line(f"Successfully pushed image: {name}", stamp=True)
            self.outputs.append(
                {
                    "registry": parsed.host,
                    "repository": parsed.repository,
                    "tag": parsed.tag,
                    "digest": image.digest,
                }
            )

    def _end(self, status: str, error: str) -> None:
        self.finished = datetime.now(UTC)
        took = (self.finished - (self.started or self.finished)).total_seconds()
        if status == "Succeeded":
            self._line(f"Run ID: {self.run_id} was successful after {took:.0f}s")
        else:
            self._line(f"Run ID: {self.run_id} failed after {took:.0f}s. Error: {error}")
        # Clients wait for this metadata to know that the log is complete.
        self.log.metadata["Complete"] = _COMPLETE.get(status, "failed")
        self.error, self.status = error, status

    def _line(self, text: str, *, stamp: bool = False) -> None:
        when = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S ") if stamp else ""
        self.log.append(f"{when}{text}\r\n")


_COMPLETE: Final = {"Succeeded": "successful", "Canceled": "canceled", "Timeout": "timedout"}


def _lowered(platform: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() for name, value in platform.items() if value}


def _time(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")
