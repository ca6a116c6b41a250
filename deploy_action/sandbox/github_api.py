"""GitHub's API for what a deployment asks of it, with real git objects behind.

Source: GitHub REST API (2022-11-28) and GraphQL's createCommitOnBranch. Stale heads are refused as
GitHub refuses them (STALE_DATA), protected branches with the message of repository rules.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web

from deploy_action.sandbox.github_comments import BOT, Comments
from deploy_action.sandbox.services.git import run_git

HOST: Final = "api.github.com"
_BOT: Final = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"
_RULES: Final = "Repository rule violations found\n\nChanges must be made through a pull request.\n"


@dataclass(slots=True)
class _Repository:
    """One repository: its bare folder, its protected branches, its pull requests and runs."""

    path: Path
    protected: set[str] = field(default_factory=set)
    exposes_rules: bool = True  # whether the API returns the rules of its branches
    ended: set[str] = field(default_factory=set)  # the numbers of workflow runs that have ended
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: Comments = field(default_factory=lambda: Comments(""))
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # by commit


class _Refused(Exception):  # noqa: N818  it is an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class GitHubApi:
    """A `interfaces.Service` for ``api.github.com``.

    Args:
        repositories: the bare folder of each, by ``OWNER/NAME``.
    """

    def __init__(self, repositories: Mapping[str, Path]) -> None:
        self.token = f"ghs_{secrets.token_hex(18)}"
        self._known = {name.lower(): _Repository(path) for name, path in repositories.items()}

    def serve(
        self, name: str, path: Path, protected: Sequence[str] = (), *, exposes_rules: bool = True
    ) -> None:
        """Answer for one more repository, or for one with other rules."""
        comments = Comments(f"https://github.com/{name}")
        self._known[name.lower()] = _Repository(
            path, set(protected), exposes_rules, comments=comments
        )

    def end_run(self, name: str, number: str) -> None:
        """Report a workflow run as completed from now on; until then it is in progress."""
        self._known[name.lower()].ended.add(number)

    def pulls(self, name: str) -> list[dict[str, Any]]:
        """Return a repository's pull requests."""
        return self._known[name.lower()].pulls

    def comments(self, name: str) -> Comments:
        """Return the comments of a repository."""
        return self._known[name.lower()].comments

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        try:
            if request.method == "POST" and request.path == "/graphql":
                return web.json_response(await self._graphql(json.loads(await request.read())))
            return await self._rest(request)
        except _Refused as refused:
            return web.json_response({"message": refused.message}, status=refused.status)

    # -- REST ----------------------------------------------------------------------------------

    async def _rest(self, request: web.BaseRequest) -> web.StreamResponse:
        match [unquote(part) for part in request.path.split("/")[1:]]:
            case ["repos", owner, name, *rest]:
                repository = self._repository(f"{owner}/{name}")
            case _:
                raise _Refused(404, "Not Found")
        match request.method, rest:
            case "GET", []:
                answer: Any = {"full_name": f"{owner}/{name}", "permissions": _MAY}
            case "GET", ["contents", *path]:
                at = f"{request.query.get('ref', 'HEAD')}:{'/'.join(path)}"
                code, content = await _git(repository.path, "cat-file", "blob", at)
                if code:
                    raise _Refused(404, "Not Found")
                return web.Response(body=content, content_type="application/vnd.github.raw+json")
            case "POST", ["git" | "statuses" | "pulls", *_]:
                home = f"https://github.com/{owner}/{name}"
                return await self._create(repository, home, rest, json.loads(await request.read()))
            case "GET" | "POST" | "PATCH", ["issues", *path]:
                return await self._comment(request, repository.comments, path)
            case "GET", ["pulls"]:
                return await self._pulls(repository, request.query.get("base", ""))
            case "GET", _:
                answer = await self._state(repository, rest)
            case _:
                raise _Refused(404, "Not Found")
        return web.json_response(answer)

    async def _create(
        self, repository: _Repository, home: str, path: Sequence[str], body: Mapping[str, Any]
    ) -> web.Response:
        """Create a branch, a commit status or a pull request."""
        match path:
            case ["git", "refs"]:
                return await self._create_branch(repository, body)
            case ["statuses", commit]:
                return await _add_status(repository, commit, body)
            case ["pulls"]:
                return _open(repository, home, body)
        raise _Refused(404, "Not Found")

    async def _comment(
        self, request: web.BaseRequest, comments: Comments, path: Sequence[str]
    ) -> web.Response:
        """Answer for an issue's comments, or for one comment."""
        body = json.loads(await request.read()) if request.method != "GET" else {}
        match request.method, path:
            case "GET", [number, "comments"] if number.isdecimal():
                status, answer, headers = comments.list(int(number), request.query)
            case "POST", [number, "comments"] if number.isdecimal():
                status, answer, headers = comments.create(int(number), body)
            case "PATCH", ["comments", identity] if identity.isdecimal():
                status, answer, headers = comments.update(int(identity), body)
            case _:
                raise _Refused(404, "Not Found")
        return web.json_response(answer, status=status, headers=headers)

    async def _state(self, repository: _Repository, path: Sequence[str]) -> Any:
        """Return a branch, its rules, a workflow run or the statuses of a commit."""
        match path:
            case ["commits", sha, "statuses"]:
                return repository.statuses.get(sha, [])[::-1]
            case ["branches", branch]:
                commit = {"sha": await self._head(repository, branch)}
                protected = branch in repository.protected
                return {"name": branch, "commit": commit, "protected": protected}
            case ["rules", "branches", branch]:
                ruled = branch in repository.protected and repository.exposes_rules
                return [{"type": "pull_request"}] if ruled else []
            case ["actions", "runs", number]:
                status = "completed" if number in repository.ended else "in_progress"
                return {"id": int(number), "run_attempt": 1, "status": status}
        raise _Refused(404, "Not Found")

    async def _pulls(self, repository: _Repository, base: str) -> web.Response:
        pulls = [await self._open_pull(repository, pull) for pull in repository.pulls]
        listed = [pull for pull in pulls if pull and base in {"", pull["base"]["ref"]}]
        return web.json_response(listed[::-1])

    async def _open_pull(
        self, repository: _Repository, pull: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return a pull request as GitHub lists it; None once its branch is merged or gone."""
        code, _ = await _git(
            repository.path,
            "merge-base",
            "--is-ancestor",
            f"refs/heads/{pull['head']}",
            f"refs/heads/{pull['base']}",
        )
        if code == 0:
            return None
        try:
            head = {"ref": pull["head"], "sha": await self._head(repository, pull["head"])}
        except _Refused:
            return None
        return {**pull, "state": "open", "head": head, "base": {"ref": pull["base"]}}

    def _repository(self, name: str) -> _Repository:
        if name.lower() not in self._known:
            raise _Refused(404, "Not Found")
        return self._known[name.lower()]

    async def _head(self, repository: _Repository, branch: str) -> str:
        code, output = await _git(repository.path, "rev-parse", "--verify", f"refs/heads/{branch}")
        if code:
            raise _Refused(404, "Branch not found")
        return output.decode().strip()

    async def _create_branch(
        self, repository: _Repository, body: Mapping[str, str]
    ) -> web.Response:
        words = ("update-ref", body["ref"], body["sha"], "0" * 40)
        code, _ = await _git(repository.path, *words)
        if code:
            raise _Refused(422, "Reference already exists")
        about = {"ref": body["ref"], "object": {"sha": body["sha"]}}
        return web.json_response(about, status=201)

    # -- GraphQL ---------------------------------------------------------------------------------

    async def _graphql(self, body: Mapping[str, Any]) -> dict[str, Any]:
        if "viewer" in str(body.get("query")):
            return {"data": {"viewer": {"login": BOT}}}
        if "createCommitOnBranch" not in str(body.get("query")):
            return {
                "errors": [{"message": "the sandbox supports only viewer and createCommitOnBranch"}]
            }
        commit_input = body["variables"]["input"]
        repository = self._repository(commit_input["branch"]["repositoryNameWithOwner"])
        branch = commit_input["branch"]["branchName"]
        if branch in repository.protected:
            return _errors("UNPROCESSABLE", _RULES)
        head = await self._head(repository, branch)
        stale = f'Expected branch to point to "{head}" but it did not. Pull and try again.'
        if commit_input["expectedHeadOid"] != head:
            return _errors("STALE_DATA", stale)
        commit = await self._commit(repository.path, head, commit_input)
        code, _ = await _git(repository.path, "update-ref", f"refs/heads/{branch}", commit, head)
        if code:
            return _errors("STALE_DATA", stale)
        return {"data": {"createCommitOnBranch": {"commit": {"oid": commit}}}}

    async def _commit(self, path: Path, head: str, commit_input: Mapping[str, Any]) -> str:
        index = path / f"api-{secrets.token_hex(8)}"
        extra = {"GIT_INDEX_FILE": str(index)}
        try:
            await _git(path, "read-tree", head, extra=extra)
            for addition in commit_input["fileChanges"].get("additions", ()):
                content = base64.b64decode(addition["contents"], validate=True)
                _, blob = await _git(path, "hash-object", "-w", "--stdin", stdin=content)
                line = f"100644 {blob.decode().strip()}\t{addition['path']}\n".encode()
                await _git(path, "update-index", "--add", "--index-info", stdin=line, extra=extra)
            _, tree = await _git(path, "write-tree", extra=extra)
        finally:
            index.unlink(missing_ok=True)
        parts = commit_input["message"]
        message = f"{parts['headline']}\n\n{parts.get('body') or ''}".strip()
        words = ("commit-tree", tree.decode().strip(), "-p", head, "-F", "-")
        _, commit = await _git(path, *words, stdin=message.encode() + b"\n", extra=_people())
        return commit.decode().strip()


_MAY: Final = {"admin": False, "push": True, "pull": True}


def _open(repository: _Repository, home: str, body: Mapping[str, Any]) -> web.Response:
    """Open a pull request."""
    number = len(repository.pulls) + 1
    repository.pulls.append({"number": number, "html_url": f"{home}/pull/{number}", **body})
    return web.json_response(repository.pulls[-1], status=201)


async def _add_status(
    repository: _Repository, commit: str, body: Mapping[str, Any]
) -> web.Response:
    code, _ = await _git(repository.path, "cat-file", "-e", f"{commit}^{{commit}}")
    if code:
        raise _Refused(422, f"No commit found for SHA: {commit}")
    if body.get("state") not in {"error", "failure", "pending", "success"}:
        raise _Refused(422, "Validation Failed: state is not included in the list")
    if len(str(body.get("description") or "")) > 140:
        raise _Refused(
            422, "Validation Failed: description is too long (maximum is 140 characters)"
        )
    if not str(body.get("target_url") or "https://").startswith(("http://", "https://")):
        raise _Refused(422, "Validation Failed: target_url must use http(s) scheme")
    status = {"context": "default", "description": None, "target_url": None, **body}
    repository.statuses.setdefault(commit, []).append(status)
    return web.json_response(status, status=201)


def _errors(kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "path": ["createCommitOnBranch"], "message": message}
    return {"data": {"createCommitOnBranch": None}, "errors": [error]}


def _people() -> dict[str, str]:
    name, _, address = _BOT.partition(" <")
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": address.rstrip(">"),
        "GIT_COMMITTER_NAME": "GitHub",
        "GIT_COMMITTER_EMAIL": "noreply@github.com",
    }


async def _git(
    path: Path, *words: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    code, out, _ = await run_git(path, *words, stdin=stdin, extra=extra)
    return code, out
