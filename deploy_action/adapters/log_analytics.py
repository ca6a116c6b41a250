"""KQL queries against a Log Analytics workspace, through Resource Manager.

Source: "Azure Monitor Log Analytics API", the route below the workspace's own resource ID, which
takes the token of Resource Manager. Needs the role Log Analytics Reader on the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deploy_action.errors import DeployError

if TYPE_CHECKING:
    from deploy_action.adapters.resource_manager import ResourceManager

API_VERSION = "2017-01-01-preview"


class QueryError(DeployError):
    """The query failed; the message quotes Azure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAnalytics:
    """Queries one workspace.

    Args:
        arm: sends the requests.
        workspace_id: the workspace's resource ID.
    """

    arm: ResourceManager
    workspace_id: str

    def value(self, query: str, *, minutes: int) -> Any:
        """Return the first column of the first row; None where there is no row.

        Args:
            query: in KQL.
            minutes: how far back its rows may go.

        Raises:
            QueryError: refused, or no answer.
        """
        path = f"{self.workspace_id}/api/query"
        body = {"query": query, "timespan": f"PT{minutes}M"}
        response = self.arm.post(path, {"api-version": API_VERSION}, body)
        if response.status == 403:
            raise QueryError(
                f"This identity is not allowed to query the workspace: {response.problem}",
                hint="Assign it the role Log Analytics Reader on the workspace.",
            )
        if not response.ok:
            raise QueryError(f"The query failed: {response.problem}")
        tables = response.body.get("tables")
        tables = tables if isinstance(tables, list) else []
        named = [table for table in tables if isinstance(table, dict)]
        primary = [table for table in named if table.get("name") == "PrimaryResult"] or named
        rows = (primary[0].get("rows") or []) if primary else []
        first = rows[0] if isinstance(rows, list) and rows else None
        return first[0] if isinstance(first, list) and first else None
