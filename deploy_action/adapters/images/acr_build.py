"""The registry's own build service (ACR Tasks): the context goes up, an image comes out.

API: Microsoft.ContainerRegistry 2019-06-01-preview, `registries/listBuildSourceUploadUrl`,
`registries/scheduleRun` with a DockerBuildRequest, `registries/runs`, `runs/listLogSasUrl`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from docker.utils.build import tar

from deploy_action.adapters.images import BuildOrder
from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime.http import HttpClient, RequestError
from deploy_action.runtime.polling import Deadline, poll_until

ARM = "https://management.azure.com"
API_VERSION = "2019-06-01-preview"
_UPLOAD_TIMEOUT_S = 300.0
_ENDED = {"Succeeded", "Failed", "Canceled", "Error", "Timeout"}


class RemoteBuild:
    """Builds in the registry *name* of *resource_group*.

    Args:
        credential: what the Azure SDK takes.
        subscription: id of the subscription.
        resource_group: the registry's group.
        name: the registry's name, without host.
        timeout_s: how long the build may take.
        on_secret: called with every signed address before it is used.
    """

    def __init__(
        self,
        credential: Any,
        *,
        subscription: str,
        resource_group: str,
        name: str,
        http: HttpClient,
        timeout_s: float,
        on_secret: Callable[[str], None],
    ) -> None:
        self._path = (
            f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
            f"/providers/Microsoft.ContainerRegistry/registries/{name}"
        )
        self._name = name
        self._http = http
        self._timeout_s = timeout_s
        self._on_secret = on_secret
        self._client: Any = ARMPipelineClient(
            base_url=ARM,
            policies=[
                policies.RequestIdPolicy(),
                policies.UserAgentPolicy("deploy-action"),
                policies.RetryPolicy(),
                ARMChallengeAuthenticationPolicy(credential, f"{ARM}/.default"),
            ],
        )

    def build(self, order: BuildOrder, on_line: Callable[[str], None]) -> None:
        """Upload the context, build *order* and push it to the registry; see `Builder`."""
        source = self._upload(_packed(Path(order.context), order.dockerfile))
        run_id = self._schedule(order, source)
        on_line(f"Registry {self._name} runs build {run_id}")
        status = self._ended(run_id)
        log = self._log(run_id)
        for line in log:
            on_line(line)
        if status != "Succeeded":
            last = " / ".join(line for line in log[-5:] if line.strip())
            raise DeployError(f"Build {run_id} in registry {self._name} ended {status}: {last}")

    def _upload(self, context: bytes) -> str:
        place = self._call("POST", "/listBuildSourceUploadUrl")
        self._on_secret(str(place["uploadUrl"]).partition("?")[2])
        try:
            response = self._http.put(
                str(place["uploadUrl"]),
                timeout_s=_UPLOAD_TIMEOUT_S,
                data=context,
                headers={"x-ms-blob-type": "BlockBlob", "Content-Type": "application/gzip"},
            )
        except RequestError as error:
            raise DeployError(f"The build context could not be uploaded: {error}.") from None
        if response.status != 201:
            raise DeployError(f"The build context could not be uploaded: status {response.status}.")
        return str(place["relativePath"])

    def _schedule(self, order: BuildOrder, source: str) -> str:
        image = order.reference.partition("/")[2]
        started = self._call(
            "POST",
            "/scheduleRun",
            {
                "type": "DockerBuildRequest",
                "imageNames": [image],
                "isPushEnabled": True,
                "noCache": False,
                "dockerFilePath": order.dockerfile,
                "arguments": [
                    {"name": name, "value": value, "isSecret": False}
                    for name, value in sorted(order.arguments.items())
                ],
                "platform": {"os": "Linux", "architecture": "amd64"},
                "agentConfiguration": {"cpu": 2},
                "sourceLocation": source,
                "timeout": max(300, int(self._timeout_s)),
                "credentials": {},
            },
        )
        properties = started.get("properties") or {}
        return str(properties.get("runId") or started.get("name") or "")

    def _ended(self, run_id: str) -> str:
        def probe() -> tuple[str | None, str]:
            run = self._call("GET", f"/runs/{run_id}")
            status = str((run.get("properties") or {}).get("status", ""))
            return (status if status in _ENDED else None), f"it is {status}"

        return poll_until(
            probe, what=f"build {run_id}", deadline=Deadline(self._timeout_s), first=0.2, most=3.0
        )

    def _log(self, run_id: str) -> list[str]:
        try:
            link = str(self._call("POST", f"/runs/{run_id}/listLogSasUrl")["logLink"])
            self._on_secret(link.partition("?")[2])
            response = self._http.get(link, timeout_s=60)
        except (RequestError, DeployError, KeyError):
            return []
        return response.text.splitlines() if response.status == 200 else []

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = HttpRequest(
            method, f"{ARM}{self._path}{path}", params={"api-version": API_VERSION}, json=body
        )
        try:
            response = self._client.send_request(request)
        except AzureError as error:
            raise DeployError(
                f"Azure could not be reached for registry {self._name}: {type(error).__name__}."
            ) from None
        if response.status_code == 404:
            raise PreflightError(
                f"Azure does not find registry '{self._name}' in this resource group.",
                hint="Check the inputs registry and resource-group.",
            )
        if response.status_code == 403:
            raise PreflightError(
                f"This identity may not build in registry '{self._name}'.",
                hint="Give it Container Registry Tasks Contributor on the registry.",
            )
        if response.status_code >= 400:
            raise DeployError(
                f"Registry '{self._name}' answered {response.status_code}: {response.text()[:300]}"
            )
        found = response.json() if response.content else {}
        return found if isinstance(found, dict) else {}


def _packed(context: Path, dockerfile: str) -> bytes:
    """Pack the context as Docker would send it, `.dockerignore` respected."""
    ignore = context / ".dockerignore"
    patterns = [
        line.strip()
        for line in (ignore.read_text("utf-8").splitlines() if ignore.is_file() else [])
        if line.strip() and not line.startswith("#")
    ]
    wanted = (dockerfile, None)
    with closing(tar(context, exclude=patterns, dockerfile=wanted, gzip=True)) as archive:
        return bytes(archive.read(-1))
