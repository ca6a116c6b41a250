"""Comments on the issues and pull requests of a repository, as GitHub's API answers for them.

Source: GitHub REST API (2022-11-28), "Issue comments". A body is limited to 65,536 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

BOT: Final = "github-actions[bot]"
_LONGEST, _PAGE, _LONGEST_PAGE = 65_536, 30, 100
_FORBIDDEN: Final = "Resource not accessible by integration"

Answer = tuple[int, Any, dict[str, str]]


@dataclass(slots=True)
class Comments:
    """The comments of one repository.

    Args:
        home: its page, such as ``https://github.com/OWNER/NAME``.
        numbers: of the issues and pull requests that exist.
        writable: whether the token may write comments.
    """

    home: str
    numbers: set[int] = field(default_factory=set)
    writable: bool = True
    _all: list[dict[str, Any]] = field(default_factory=list)

    def add(self, number: int, user: str, body: str) -> dict[str, Any]:
        """Add a comment of *user*."""
        identity = 1_000 + len(self._all)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        comment = {
            "id": identity,
            "url": f"{_api(self.home)}/issues/comments/{identity}",
            "html_url": f"{self.home}/pull/{number}#issuecomment-{identity}",
            "issue_url": f"{_api(self.home)}/issues/{number}",
            "user": {"login": user, "type": "Bot" if user.endswith("[bot]") else "User"},
            "created_at": now,
            "updated_at": now,
            "body": body,
        }
        self._all.append(comment)
        return comment

    def list(self, number: int, query: Mapping[str, str]) -> Answer:
        """Return one page, oldest first, with the link to the next one."""
        if number not in self.numbers:
            return _missing()
        matches = [item for item in self._all if item["issue_url"].endswith(f"/issues/{number}")]
        size = min(int(query.get("per_page") or _PAGE), _LONGEST_PAGE)
        page = int(query.get("page") or 1)
        shown = matches[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(matches):
            url = f"{_api(self.home)}/issues/{number}/comments?per_page={size}&page={page + 1}"
            headers["Link"] = f'<{url}>; rel="next"'
        return 200, shown, headers

    def create(self, number: int, body: Mapping[str, Any]) -> Answer:
        """Add a comment of the token's own."""
        if not self.writable:
            return _forbidden()
        if number not in self.numbers:
            return _missing()
        return _invalid(body) or (201, self.add(number, BOT, str(body["body"])), {})

    def update(self, identity: int, body: Mapping[str, Any]) -> Answer:
        """Replace a comment's body, regardless of its author."""
        if not self.writable:
            return _forbidden()
        comment = next((item for item in self._all if item["id"] == identity), None)
        if comment is None:
            return _missing()
        if refusal := _invalid(body):
            return refusal
        comment["body"] = str(body["body"])
        return 200, comment, {}


def _api(home: str) -> str:
    return home.replace("https://github.com/", "https://api.github.com/repos/")


def _missing() -> Answer:
    return 404, {"message": "Not Found", "status": "404"}, {}


def _forbidden() -> Answer:
    return 403, {"message": _FORBIDDEN, "status": "403"}, {}


def _invalid(fields: Mapping[str, Any]) -> Answer | None:
    body = fields.get("body")
    if isinstance(body, str) and body.strip() and len(body) <= _LONGEST:
        return None
    about = f"Body is too long (maximum is {_LONGEST} characters)" if body else "Body is blank"
    error = {"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": about}
    return 422, {"message": "Validation Failed", "errors": [error], "status": "422"}, {}
