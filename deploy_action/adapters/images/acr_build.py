"""Builds with the registry's own build service (ACR Tasks).

API: Microsoft.ContainerRegistry 2019-06-01-preview, ``registries/listBuildSourceUploadUrl``,
``registries/scheduleRun`` with a DockerBuildRequest, ``registries/runs``, ``runs/listLogSasUrl``
and ``runs/cancel``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from deploy_action.adapters.images import BuildRequest
from deploy_action.adapters.images.acr_resource import ArmClient, find_registry
from deploy_action.errors import DeployError, InputError
from deploy_action.runtime.http import HttpClient, RequestError
from deploy_action.runtime.polling import Deadline, PollTimeoutError, poll_until

API_VERSION = "2019-06-01-preview"
_ENDED = {"Succeeded", "Failed", "Canceled", "Error", "Timeout"}
_SHORTEST_TIMEOUT_S = 300  # the service's minimum
_CANCEL_S = 1.0
_LOG_LIMIT = 1 << 20
_IN_MEMORY = 1 << 23


class AcrBuild:
    """Builds in the registry with the login server *host*.

    Args:
        arm: sends requests to Azure Resource Manager.
        host: the registry's login server.
        groups: resource groups where the registry may be, as ``/subscriptions/…`` paths.
        search: whether to look for it in all subscriptions if it is in none of them.
        http: for uploads and logs.
        timeout_s: how long a build may take.
        on_secret: called with every signed URL's signature before it is used.
    """

    def __init__(
        self,
        arm: ArmClient,
        *,
        host: str,
        groups: tuple[str, ...],
        search: bool,
        http: HttpClient,
        timeout_s: float,
        on_secret: Callable[[str], None],
    ) -> None:
        self._arm = arm
        self._host = host
        self._groups = groups
        self._search = search
        self._http = http
        self._timeout_s = timeout_s
        self._on_secret = on_secret
        self._path = ""

    def check(self) -> None:
        """Find the registry, and check that this identity may build in it; see `Builder`."""
        self._path = find_registry(self._arm, self._host, self._groups, search=self._search)
        self._call("POST", "/listBuildSourceUploadUrl", Deadline(60.0))

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> str:
        """Upload the context, build *request* and push it to the registry; see `Builder`."""
        if request.secrets or request.cache_from:
            setting = "build-secrets" if request.secrets else "cache-from"
            raise InputError(
                f"Input {setting}: builds in the registry do not support it.",
                hint="Set builder: docker.",
            )
        deadline = Deadline(self._timeout_s)
        if not self._path:
            self.check()
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as archive:
            dockerfile = request.context.pack(archive, request.labels)
            source = self._upload(archive, deadline)
        run_id = self._schedule(request, source, dockerfile, deadline)
        on_line(f"Started build {run_id} in registry {self._host}")
        try:
            run = self._follow(run_id, deadline, on_line)
        except PollTimeoutError as error:
            self._cancel(run_id)
            raise DeployError(
                f"Build {run_id} in registry {self._host} took more than {self._timeout_s:.0f} s: "
                f"{error.message}",
                hint="Increase build-timeout.",
            ) from None
        except BaseException:
            self._cancel(run_id)
            raise
        return self._digest(run, run_id, request)

    def _digest(self, run: dict[str, Any], run_id: str, request: BuildRequest) -> str:
        """Return the digest that the run reports for the image."""
        for image in run.get("outputImages") or []:
            same = image.get("repository") == request.reference.repository
            if same and image.get("tag") == request.reference.tag and image.get("digest"):
                return str(image["digest"])
        raise DeployError(
            f"Build {run_id} in registry {self._host} reported no digest for {request.reference}."
        )

    def _upload(self, archive: IO[bytes], deadline: Deadline) -> str:
        place = self._call("POST", "/listBuildSourceUploadUrl", deadline)
        url = str(place.get("uploadUrl") or "")
        self._on_secret(url.partition("?")[2])
        archive.seek(0)
        try:
            response = self._http.put(
                url,
                timeout_s=deadline.remaining,
                data=archive.read(),
                headers={"x-ms-blob-type": "BlockBlob", "Content-Type": "application/gzip"},
            )
        except RequestError as error:
            raise DeployError(f"The build context could not be uploaded: {error}.") from None
        if response.status != 201:
            raise DeployError(f"The build context could not be uploaded: status {response.status}.")
        return str(place["relativePath"])

    def _schedule(
        self, request: BuildRequest, source: str, dockerfile: str, deadline: Deadline
    ) -> str:
        reference = request.reference
        run = self._call(
            "POST",
            "/scheduleRun",
            deadline,
            {
                "type": "DockerBuildRequest",
                "imageNames": [f"{reference.repository}:{reference.tag}"],
                "isPushEnabled": True,
                "noCache": False,
                "dockerFilePath": dockerfile,
                "target": request.target or None,
                "arguments": [
                    {"name": name, "value": value, "isSecret": False}
                    for name, value in sorted(request.arguments.items())
                ],
                "platform": {"os": "Linux", "architecture": "amd64"},
                "agentConfiguration": {"cpu": 2},
                "sourceLocation": source,
                "timeout": max(_SHORTEST_TIMEOUT_S, int(self._timeout_s)),
                "credentials": {},
            },
        )
        run_id = str((run.get("properties") or {}).get("runId") or run.get("name") or "")
        if not run_id:
            raise DeployError(f"Registry {self._host} returned no id for the build.")
        return run_id

    def _follow(
        self, run_id: str, deadline: Deadline, on_line: Callable[[str], None]
    ) -> dict[str, Any]:
        """Report the log as it grows; return the properties of the run that succeeded."""
        log = _Log(self._http, self._log_url(run_id, deadline), on_line)

        def probe() -> tuple[dict[str, Any] | None, str]:
            run = self._call("GET", f"/runs/{run_id}", deadline).get("properties") or {}
            log.read(deadline)
            status = str(run.get("status", ""))
            return (run if status in _ENDED else None), f"it is {status}"

        run = poll_until(probe, what=f"build {run_id}", deadline=deadline, first=0.2, most=3.0)
        log.read(deadline)
        if run["status"] != "Succeeded":
            raise DeployError(
                f"Build {run_id} in registry {self._host} ended with status {run['status']}: "
                f"{' / '.join(log.last)}"
            )
        return run

    def _log_url(self, run_id: str, deadline: Deadline) -> str:
        try:
            url = str(self._call("POST", f"/runs/{run_id}/listLogSasUrl", deadline)["logLink"])
        except (DeployError, KeyError):
            return ""
        self._on_secret(url.partition("?")[2])
        return url

    def _cancel(self, run_id: str) -> None:
        with suppress(DeployError):
            self._call("POST", f"/runs/{run_id}/cancel", Deadline(_CANCEL_S))

    def _call(self, method: str, path: str, deadline: Deadline, body: Any = None) -> dict[str, Any]:
        return self._arm.call(
            method, f"{self._path}{path}", API_VERSION, deadline, body, what=self._host
        )


class _Log:
    """The log of a run: a blob that grows."""

    def __init__(self, http: HttpClient, url: str, on_line: Callable[[str], None]) -> None:
        self._http = http
        self._url = url
        self._on_line = on_line
        self._offset = 0
        self._rest = b""
        self.last: list[str] = []

    def read(self, deadline: Deadline) -> None:
        """Report the lines that were added since the last call."""
        if not self._url or deadline.passed:
            return
        headers = {"x-ms-range": f"bytes={self._offset}-{self._offset + _LOG_LIMIT - 1}"}
        try:
            response = self._http.get(
                self._url, timeout_s=min(10.0, deadline.remaining), headers=headers
            )
        except RequestError:
            return
        if response.status != 206:
            return
        self._offset += len(response.body)
        *lines, self._rest = (self._rest + response.body).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            self._on_line(text)
            if text:
                self.last = [*self.last, text][-5:]
