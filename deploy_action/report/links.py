"""Addresses that the summary links to; all are made from settings, never from external text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from deploy_action.report.markdown import code, link

_PORTAL = "https://portal.azure.com/#resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """The links of one run; empty texts where an address is unknown.

    Args:
        app_name: the container app.
        portal: its page in the Azure portal.
        logs: its log stream there.
        repository: the repository's page on GitHub.
        run: the run's page.
    """

    app_name: str = ""
    portal: str = ""
    logs: str = ""
    repository: str = ""
    run: str = ""

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Links:
        """Make the links from the facts of a record."""
        resource = facts.get("resource-id", "")
        portal = f"{_PORTAL}{quote(resource)}" if resource else ""
        return cls(
            app_name=facts.get("app", ""),
            portal=portal and f"{portal}/containerapp",
            logs=portal and f"{portal}/logstream",
            repository=facts.get("repository-url", ""),
            run=facts.get("run-url", ""),
        )

    def to(self, kind: str, text: str) -> str:
        """Return *text* as a code span that links to the page of its *kind*."""
        if kind == "commit" and self.repository and text:
            return link(text[:7], f"{self.repository}/commit/{quote(text)}")
        if kind == "revision" and self.portal and text:
            return link(text, self.portal.replace("/containerapp", "/revisionManagement"))
        return code(text)
