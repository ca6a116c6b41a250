"""GitHub's API, for the one commit that a deployment makes.

Source: GitHub REST API (2022-11-28): branches, rules, contents, git references, pulls; GraphQL:
createCommitOnBranch, whose ``expectedHeadOid`` makes it a compare-and-swap. Its commits are signed
by GitHub. It knows no file modes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from deploy_action.errors import DeployError
from deploy_action.runtime.http import HttpClient, RequestError, Response

_TIMEOUT_S = 30.0
_MUTATION = (
    "mutation($input: CreateCommitOnBranchInput!)"
    " { createCommitOnBranch(input: $input) { commit { oid } } }"
)
# Rules that keep a commit from going to a branch directly.
_BY_PULL_ONLY = {"pull_request", "update", "required_status_checks", "merge_queue"}


class GitHubError(DeployError):
    """GitHub's API refused, or did not answer; the message has its words."""


class StaleError(GitHubError):
    """The branch is not where the commit was made for any more."""


class ProtectedError(GitHubError):
    """The branch takes changes by pull request only."""


class GitHub:
    """One repository.

    Args:
        api: the API's address, such as ``https://api.github.com``.
        repository: ``OWNER/NAME``.
        token: shown to the API; never shown elsewhere.
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
        """Whether the token may change the repository's contents, as far as it is told."""
        told = self._asked("GET", "").get("permissions")
        return bool(told.get("push", True)) if isinstance(told, dict) else True

    def head(self, branch: str) -> str:
        """Return a branch's newest commit; raises `GitHubError`, also where there is none."""
        found = self._asked("GET", f"/branches/{quote(branch, safe='')}")
        return str(found["commit"]["sha"])

    def by_pull_only(self, branch: str) -> bool:
        """Whether a branch's rules ask for a pull request; raises `GitHubError`."""
        rules = self._asked("GET", f"/rules/branches/{quote(branch, safe='')}", default=[])
        kinds = {rule.get("type") for rule in rules} if isinstance(rules, list) else set()
        return bool(kinds & _BY_PULL_ONLY)

    def file(self, path: str, commit: str) -> bytes | None:
        """Return a file's bytes as stored, or None; raises `GitHubError`."""
        url = f"{self._home}/contents/{quote(path)}?ref={quote(commit)}"
        response = self._sent("GET", url, accept="application/vnd.github.raw+json")
        if response.status == 404:
            return None
        self._fine(response)
        return response.body

    def commit(self, branch: str, base: str, files: Mapping[str, bytes], message: str) -> str:
        """Put one commit with exactly *files* on top of *base*, if the branch is there.

        Returns:
            the commit's id.

        Raises:
            StaleError: the branch has moved.
            ProtectedError: it takes pull requests only.
            GitHubError: for everything else.
        """
        headline, _, body = message.partition("\n\n")
        given = {
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
        response = self._sent(
            "POST",
            f"{self._api.removesuffix('/v3')}/graphql",
            {"query": _MUTATION, "variables": {"input": given}},
        )
        told = self._fine(response)
        if told.get("errors"):
            raise _refusal(told["errors"][0])
        return str(told["data"]["createCommitOnBranch"]["commit"]["oid"])

    def create_branch(self, name: str, commit: str) -> None:
        """Make a branch; one that is there already is left; raises `GitHubError`."""
        url = f"{self._home}/git/refs"
        response = self._sent("POST", url, {"ref": f"refs/heads/{name}", "sha": commit})
        if response.status != 422:
            self._fine(response)

    def open_pull(self, title: str, head: str, base: str, body: str) -> str:
        """Open a pull request; return its page; raises `GitHubError`."""
        about = {"title": title, "head": head, "base": base, "body": body}
        return str(self._asked("POST", "/pulls", about)["html_url"])

    @property
    def _home(self) -> str:
        return f"{self._api}/repos/{self._repository}"

    def _asked(self, method: str, path: str, body: Any = None, default: Any = None) -> Any:
        response = self._sent(method, f"{self._home}{path}", body)
        if response.status == 404 and default is not None:
            return default
        return self._fine(response)

    def _sent(self, method: str, url: str, body: Any = None, accept: str = "") -> Response:
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
    def _fine(response: Response) -> Any:
        try:
            told = json.loads(response.text or "null")
        except ValueError:
            told = None
        if not 200 <= response.status < 300:
            why = told.get("message") if isinstance(told, dict) else response.text[:200]
            raise GitHubError(
                f"GitHub's API answered {response.status}: {why}.",
                hint="Give the job contents: write (and pull-requests: write), or set commit to "
                "none."
                if response.status in {401, 403, 404}
                else "",
            )
        return told


def _refusal(error: Mapping[str, Any]) -> GitHubError:
    kind, text = str(error.get("type", "")), str(error.get("message", "")).strip()
    words = " ".join(text.split())
    if kind == "STALE_DATA":
        return StaleError(f"The branch moved: {words}")
    if "pull request" in words or "rule violations" in words or "rotected branch" in words:
        return ProtectedError(f"The branch is protected: {words}")
    hint = "Give the job contents: write." if kind == "FORBIDDEN" else ""
    return GitHubError(f"GitHub refused the commit: {words}", hint=hint)
