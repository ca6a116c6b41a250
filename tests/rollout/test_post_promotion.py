"""After the commit point, an error is a warning, and what it left undone stays pending (O1)."""

from __future__ import annotations

import itertools

import pytest

from deploy_action.core.events import WarningRaised
from deploy_action.core.journal import Pending
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.errors import DeployError
from deploy_action.rollout.post_promotion import PostPromotion


@pytest.mark.parametrize("error", [DeployError("Azure said no."), KeyError("properties")])
def test_o1_an_error_after_the_commit_point_is_a_warning_and_its_work_stays_pending(
    error: Exception,
) -> None:
    record = Record(command="deploy", clock=itertools.count().__next__)
    post_promotion = PostPromotion(record)

    def fail() -> None:
        raise error

    with post_promotion.phase(Phase.REFRESH, Pending.CACHE):
        fail()
    with post_promotion.phase(Phase.PUBLISH, Pending.COMMIT):
        pass

    assert post_promotion.pending == [Pending.CACHE]
    [warned] = [event.text for event in record.events if isinstance(event, WarningRaised)]
    assert "some work after the promotion failed" in warned
