"""GitHub's API, for the version commit and its pull request, and for comments.

Source: GitHub REST API (2022-11-28): branches, rules, contents, git references, pulls, issue
comments; GraphQL: viewer, and createCommitOnBranch, whose ``expectedHeadOid`` makes it a
compare-and-swap. Its commits are signed by GitHub. The API does not support file modes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from deploy_action.errors import DeployError
from deploy_action.runtime import credential_hosts
from deploy_action.runtime.http import HttpClient, RequestError, Response

_TIMEOUT_S = 30.0
_MUTATION = (
    "mutation($input: CreateCommitOnBranchInput!)"
    " { createCommitOnBranch(input: $input) { commit { oid } } }"
)
_VIEWER = "query { viewer { login } }"
_WORKFLOW_LOGIN = "github-actions[bot]"
_PAGE, _MOST_PAGES = 100, 100
_LONGEST_STATUS = 140  # GitHub's limit of a status' description
_GRANT = "Grant the job contents: write (and pull-requests: write), or set commit to none."
# Rules that do not allow a direct commit to a branch.
_BY_PULL_ONLY = {"pull_request", "update", "required_status_checks", "merge_queue"}


class GitHubError(DeployError):
    """GitHub's API refused a request or did not respond; the message quotes its response."""


class ForbiddenError(GitHubError):
    """The token lacks a permission; GitHub also answers 404 then."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    author: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitStatus:
    """A status of a commit.

    Args:
        state: ``pending``, ``success``, ``failure`` or ``error``.
        context: its name; a later status of the same name replaces it.
        description: one line; cut at GitHub's limit.
        page: the URL that it links to; may be empty.
    """

    state: str
    context: str
    description: str
    page: str


class GitHub:
    """One repository.

    Args:
        api: the API's address, such as ``https://api.github.com``.
        repository: ``OWNER/NAME``.
        token: sent to the API and nowhere else.
    """

    def __init__(self, api: str, repository: str, *, token: str) -> None:
        self._api = api.rstrip("/")
        self._repository = repository
        self._headers = {
            **credential_hosts.own_bearer(token, f"{self._api}/", issued_for=f"{self._api}/"),
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._http = HttpClient()

    def may_write(self) -> bool:
        """Whether the token may change the repository's contents, as far as GitHub says."""
        permissions = _object(self._request("GET", "")).get("permissions")
        return bool(permissions.get("push", True)) if isinstance(permissions, dict) else True

    def run_has_ended(self, number: str, *, attempt: str) -> bool:
        """Whether a workflow run, or this attempt at it, has ended; False if GitHub cannot tell.

        Needs the permission ``actions: read``.
        """
        try:
            run = self._request("GET", f"/actions/runs/{quote(number, safe='')}")
        except GitHubError:
            return False
        newest = str(run.get("run_attempt") or "") if isinstance(run, dict) else ""
        if attempt.isdecimal() and newest.isdecimal() and int(newest) > int(attempt):
            return True
        return isinstance(run, dict) and run.get("status") == "completed"

    def head(self, branch: str) -> str:
        """Return a branch's newest commit; raises `GitHubError`, also where there is none."""
        response = self._request("GET", f"/branches/{quote(branch, safe='')}")
        return _text(response, "commit", "sha")

    def by_pull_only(self, branch: str) -> bool:
        """Whether a branch's rules require a pull request; raises `GitHubError`."""
        rules = self._request("GET", f"/rules/branches/{quote(branch, safe='')}", default=[])
        if not isinstance(rules, list):
            raise _unexpected("the branch's rules are not a list")
        kinds = {str(_object(rule).get("type")) for rule in rules}
        return bool(kinds & _BY_PULL_ONLY)

    def file(self, path: str, commit: str) -> bytes | None:
        """Return a file's bytes as stored, or None; raises `GitHubError`."""
        url = f"{self._home}/contents/{quote(path)}?ref={quote(commit)}"
        response = self._send("GET", url, accept="application/vnd.github.raw+json")
        if response.status == 404:
            return None
        if response.status != 200:
            self._success(response)
        if response.status != 200 or response.truncated:
            raise _unexpected(f"'{path}' is too large, or is not a file")
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
            "POST", self._graphql, {"query": _MUTATION, "variables": {"input": commit}}
        )
        value = _object(self._success(response))
        if errors := value.get("errors"):
            first = errors[0] if isinstance(errors, list) else errors
            raise _refusal(_object(first))
        return _text(value, "data", "createCommitOnBranch", "commit", "oid")

    def create_branch(self, name: str, commit: str) -> None:
        """Create a branch unless it exists already; raises `GitHubError`."""
        url = f"{self._home}/git/refs"
        response = self._send("POST", url, {"ref": f"refs/heads/{name}", "sha": commit})
        if response.status != 422:
            self._success(response)

    def open_pull(self, title: str, head: str, base: str, body: str) -> str:
        """Open a pull request; return its page; raises `GitHubError`."""
        about = {"title": title, "head": head, "base": base, "body": body}
        return _text(self._request("POST", "/pulls", about), "html_url")

    def open_pulls(self, base: str) -> list[PullRequest]:
        """Return the open pull requests to *base*, newest first; raises `GitHubError`."""
        query = f"state=open&base={quote(base, safe='')}&sort=created&direction=desc&per_page=100"
        listed = self._request("GET", f"/pulls?{query}")
        if not isinstance(listed, list):
            raise _unexpected("the pull requests are not a list")
        return [
            PullRequest(
                page=_text(item, "html_url"),
                branch=_text(item, "head", "ref"),
                commit=_text(item, "head", "sha"),
            )
            for item in listed
        ]

    def login(self) -> str:
        """Return the login that the token writes as; a workflow's own if GitHub does not say."""
        try:
            response = self._send("POST", self._graphql, {"query": _VIEWER})
            return _text(self._success(response), "data", "viewer", "login")
        except GitHubError:
            return _WORKFLOW_LOGIN

    def comments(self, number: int) -> Iterator[Comment]:
        """Yield the comments on a pull request, oldest first; raises `GitHubError`."""
        for page in range(1, _MOST_PAGES + 1):
            path = f"/issues/{number}/comments?per_page={_PAGE}&page={page}"
            listed = self._request("GET", path)
            if not isinstance(listed, list):
                raise _unexpected("the comments are not a list")
            for item in listed:
                user = _object(item).get("user")  # null for a deleted account
                yield Comment(
                    id=_number(item, "id"),
                    author=str(user.get("login") or "") if isinstance(user, dict) else "",
                    body=str(_object(item).get("body") or ""),
                )
            if len(listed) < _PAGE:
                return

    def create_comment(self, number: int, body: str) -> str:
        """Comment on a pull request; return the comment's page; raises `GitHubError`."""
        created = self._request("POST", f"/issues/{number}/comments", {"body": body})
        return _text(created, "html_url")

    def update_comment(self, comment: int, body: str) -> str:
        """Replace a comment's text; return its page; raises `GitHubError`."""
        updated = self._request("PATCH", f"/issues/comments/{comment}", {"body": body})
        return _text(updated, "html_url")

    def set_status(self, commit: str, status: CommitStatus) -> None:
        """Write a status of a commit; needs ``statuses: write``; raises `GitHubError`."""
        text = " ".join(status.description.split())
        body = {
            "state": status.state,
            "context": status.context,
            "description": f"{text[: _LONGEST_STATUS - 1]}…"
            if len(text) > _LONGEST_STATUS
            else text,
            **({"target_url": status.page} if status.page else {}),
        }
        response = self._send("POST", f"{self._home}/statuses/{quote(commit, safe='')}", body)
        self._success(
            response, hint="Grant the job statuses: write, or set commit-status to false."
        )

    @property
    def _graphql(self) -> str:
        return f"{self._api.removesuffix('/v3')}/graphql"

    @property
    def _home(self) -> str:
        return f"{self._api}/repos/{self._repository}"

    def _request(self, method: str, path: str, body: Any = None, default: Any = None) -> Any:
        response = self._send(method, f"{self._home}{path}", body)
        if response.status == 404 and default is not None:
            return default
        return self._success(response)

    def _send(self, method: str, url: str, body: Any = None, accept: str = "") -> Response:
        headers = {**self._headers, **({"Accept": accept} if accept else {})}
        try:
            if method == "GET":
                return self._http.get(url, timeout_s=_TIMEOUT_S, headers=headers)
            data = json.dumps(body).encode()
            if method == "PATCH":
                return self._http.patch(url, timeout_s=_TIMEOUT_S, data=data, headers=headers)
            return self._http.post(url, timeout_s=_TIMEOUT_S, data=data, headers=headers)
        except RequestError as error:
            raise GitHubError(
                f"GitHub's API did not respond: {error}.", hint="Run again, or set commit to push."
            ) from None

    @staticmethod
    def _success(response: Response, hint: str = _GRANT) -> Any:
        """Return the JSON of a response that is a success; *hint* is for missing permissions."""
        try:
            value = response.json() if response.body else None
        except RequestError as error:
            if 200 <= response.status < 300:
                raise _unexpected(str(error)) from None
            value = None
        if 200 <= response.status < 300:
            return value
        reason = value.get("message") if isinstance(value, dict) else response.text[:200]
        text = f"GitHub's API returned status {response.status}: {reason}."
        if response.status not in {401, 403, 404}:
            raise GitHubError(text)
        raise ForbiddenError(
            text,
            hint=hint,
        )


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _unexpected("an object is missing")
    return value


def _number(value: Any, name: str) -> int:
    number = _object(value).get(name)
    if not isinstance(number, int):
        raise _unexpected(f"'{name}' is missing")
    return number


def _text(value: Any, *path: str) -> str:
    """Return the text at *path* of nested objects."""
    for name in path:
        value = _object(value).get(name)
    if not isinstance(value, str) or not value:
        raise _unexpected(f"'{'.'.join(path)}' is missing")
    return value


def _unexpected(reason: str) -> GitHubError:
    return GitHubError(
        f"The response of GitHub's API could not be parsed: {reason}.",
        hint="Run again, or set commit to push.",
    )


def _refusal(error: Mapping[str, Any]) -> GitHubError:
    kind, text = str(error.get("type", "")), str(error.get("message", "")).strip()
    words = " ".join(text.split())
    if kind == "STALE_DATA":
        return StaleError(f"The branch moved: {words}")
    if "pull request" in words or "rule violations" in words or "rotected branch" in words:
        return ProtectedError(f"The branch is protected: {words}")
    hint = "Grant the job contents: write." if kind == "FORBIDDEN" else ""
    return GitHubError(f"GitHub rejected the commit: {words}", hint=hint)
