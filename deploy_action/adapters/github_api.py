"""GitHub's API, for the version commit and its pull request.

Source: GitHub REST API (2022-11-28): branches, rules, contents, git references, pulls; GraphQL:
createCommitOnBranch, whose ``expectedHeadOid`` makes it a compare-and-swap. Its commits are signed
by GitHub. The API does not support file modes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deploy_action.errors import DeployError
from deploy_action.runtime.http import HttpClient, RequestError, Response

_TIMEOUT_S = 30.0
_MUTATION = (
    "mutation($input: CreateCommitOnBranchInput!)"
    " { createCommitOnBranch(input: $input) { commit { oid } } }"
)
# Rules that do not allow a direct commit to a branch.
_BY_PULL_ONLY = {"pull_request", "update", "required_status_checks", "merge_queue"}


class GitHubError(DeployError):
    """GitHub's API refused a request or did not answer; the message quotes its answer."""


class StaleError(GitHubError):
    """The branch has moved since the commit's parent was read."""


class ProtectedError(GitHubError):
    """The branch accepts changes by pull request only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """An open pull request: its page, its branch and that branch's newest commit."""

    page: str
    branch: str
    commit: str


class GitHub:
    """One repository.

    Args:
        api: the API's address, such as ``https://api.github.com``.
        repository: ``OWNER/NAME``.
        token: sent to the API and to no other host.
    """

    def __init__(self, api: str, repository: str, *, token: str) -> None:
        self._api = api.rstrip("/")
        self._repository = repository
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._http = HttpClient()

    def may_write(self) -> bool:
        """Whether the token may change the repository's contents, if the API tells."""
        permissions = self._request("GET", "").get("permissions")
        return bool(permissions.get("push", True)) if isinstance(permissions, dict) else True

    def head(self, branch: str) -> str:
        """Return a branch's newest commit; raises `GitHubError`, also if there is none."""
        answer = self._request("GET", f"/branches/{quote(branch, safe='')}")
        return str(answer["commit"]["sha"])

    def by_pull_only(self, branch: str) -> bool:
        """Whether a branch's rules require a pull request; raises `GitHubError`."""
        rules = self._request("GET", f"/rules/branches/{quote(branch, safe='')}", default=[])
        kinds = {rule.get("type") for rule in rules} if isinstance(rules, list) else set()
        return bool(kinds & _BY_PULL_ONLY)

    def file(self, path: str, commit: str) -> bytes | None:
        """Return a file's bytes as stored, or None; raises `GitHubError`."""
        url = f"{self._home}/contents/{quote(path)}?ref={quote(commit)}"
        response = self._send("GET", url, accept="application/vnd.github.raw+json")
        if response.status == 404:
            return None
        self._checked(response)
        return response.body

    def commit(self, branch: str, base: str, files: Mapping[str, bytes], message: str) -> str:
        """Commit exactly *files* on top of *base*, if that is the branch's newest commit.

        Returns:
            the commit's id.

        Raises:
            StaleError: the branch has moved.
            ProtectedError: it accepts pull requests only.
            GitHubError: for everything else.
        """
        headline, _, body = message.partition("\n\n")
        commit = {
            "branch": {"repositoryNameWithOwner": self._repository, "branchName": branch},
            "message": {"headline": headline, "body": body.strip()},
            "expectedHeadOid": base,
            "fileChanges": {
                "additions": [
                    {"path": path, "contents": base64.b64encode(content).decode()}
                    for path, content in files.items()
                ]
            },
        }
        response = self._send(
            "POST",
            f"{self._api.removesuffix('/v3')}/graphql",
            {"query": _MUTATION, "variables": {"input": commit}},
        )
        answer = self._checked(response)
        if answer.get("errors"):
            raise _refusal(answer["errors"][0])
        return str(answer["data"]["createCommitOnBranch"]["commit"]["oid"])

    def create_branch(self, name: str, commit: str) -> None:
        """Create a branch unless it exists already; raises `GitHubError`."""
        url = f"{self._home}/git/refs"
        response = self._send("POST", url, {"ref": f"refs/heads/{name}", "sha": commit})
        if response.status != 422:
            self._checked(response)

    def open_pull(self, title: str, head: str, base: str, body: str) -> str:
        """Open a pull request; return its page; raises `GitHubError`."""
        about = {"title": title, "head": head, "base": base, "body": body}
        return str(self._request("POST", "/pulls", about)["html_url"])

    def open_pulls(self, base: str) -> list[PullRequest]:
        """Return the open pull requests to *base*, newest first; raises `GitHubError`."""
        query = f"state=open&base={quote(base, safe='')}&sort=created&direction=desc&per_page=100"
        return [
            PullRequest(
                page=str(item["html_url"]),
                branch=str(item["head"]["ref"]),
                commit=str(item["head"]["sha"]),
            )
            for item in self._request("GET", f"/pulls?{query}")
        ]

    @property
    def _home(self) -> str:
        return f"{self._api}/repos/{self._repository}"

    def _request(self, method: str, path: str, body: Any = None, default: Any = None) -> Any:
        response = self._send(method, f"{self._home}{path}", body)
        if response.status == 404 and default is not None:
            return default
        return self._checked(response)

    def _send(self, method: str, url: str, body: Any = None, accept: str = "") -> Response:
        headers = {**self._headers, **({"Accept": accept} if accept else {})}
        try:
            if method == "GET":
                return self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
            data = json.dumps(body).encode()
            return self._http.post(url, timeout_s=_TIMEOUT_S, data=data, headers=headers)
        except RequestError as error:
            raise GitHubError(
                f"GitHub's API did not answer: {error}.", hint="Run again, or set commit to push."
            ) from None

    @staticmethod
    def _checked(response: Response) -> Any:
        """Return the parsed answer; raises `GitHubError` for an error."""
        try:
            answer = json.loads(response.text or "null")
        except ValueError:
            answer = None
        if not 200 <= response.status < 300:
            why = answer.get("message") if isinstance(answer, dict) else response.text[:200]
            raise GitHubError(
                f"GitHub's API answered {response.status}: {why}.",
                hint="Give the job contents: write (and pull-requests: write), or set commit to "
                "none."
                if response.status in {401, 403, 404}
                else "",
            )
        return answer


def _refusal(error: Mapping[str, Any]) -> GitHubError:
    kind, text = str(error.get("type", "")), str(error.get("message", "")).strip()
    words = " ".join(text.split())
    if kind == "STALE_DATA":
        return StaleError(f"The branch moved: {words}")
    if "pull request" in words or "rule violations" in words or "rotected branch" in words:
        return ProtectedError(f"The branch is protected: {words}")
    hint = "Give the job contents: write." if kind == "FORBIDDEN" else ""
    return GitHubError(f"GitHub refused the commit: {words}", hint=hint)
