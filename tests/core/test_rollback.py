"""Which revision a rollback goes back to."""

from __future__ import annotations

from typing import Any

import pytest

from deploy_action.core.app import App
from deploy_action.core.observed import Observed
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.rollback import rollback_target
from deploy_action.core.run import Run
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import PreflightError
from tests.core.test_plan import READY

BASE: dict[str, Any] = READY


@pytest.mark.parametrize(
    "state",
    [
        {"running_state": "Failed", "active": True},
        {"provisioning_state": "Failed", "running_state": "Stopped", "active": False},
    ],
)
def test_a_target_that_failed_to_start_is_refused_with_one_that_may_serve(
    state: dict[str, Any],
) -> None:
    good = Revision(
        name="api--a",
        created="1",
        **{**BASE, "active": False, "provisioning_state": "Provisioned"},
    )
    failed = Revision(name="api--b", created="2", **{**BASE, **state})
    serving = Revision(name="api--c", created="3", **{**BASE, "active": True})
    app = App(
        name="api",
        state="Succeeded",
        mode="Multiple",
        fqdn="api.example.com",
        split=Split.of([Entry(revision="api--c", weight=100)]),
    )
    observed = Observed(
        app=app, revisions=(good, failed, serving), run=Run(id="1.1"), now=1_000_000.0
    )

    with pytest.raises(PreflightError, match="'api--b' failed to start before") as refused:
        rollback_target("b", observed)

    assert "api--a" in refused.value.hint
    assert rollback_target("a", observed) is good
