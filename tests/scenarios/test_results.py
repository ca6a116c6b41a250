"""What people read after a real run of each result is as reviewed."""

from __future__ import annotations

import json

import pytest

from tests.scenarios.stories import STORIES
from tests.scenarios.test_notifications import EVERYWHERE, Receivers, settings
from tests.stage import Stage
from tests.support.golden import Golden
from tests.support.normalised import normalised, normalised_json


@pytest.mark.parametrize("name", STORIES)
def test_a_real_run_reads_as_reviewed(name: str, stage: Stage, golden: Golden) -> None:
    receivers = Receivers(stage)
    stage.inputs["settings"] = settings(EVERYWHERE[2])
    run = STORIES[name](stage)

    messages = receivers.messages("webhook")
    outputs = "\n".join(f"{key}: {value}" for key, value in run.outputs.items() if value)
    folder = f"runs/{name}"
    log = normalised(stage, run.log)
    assert log.rfind("::endgroup::") < log.index("Z result "), "the result is outside all groups"
    golden.check(f"{folder}/summary.md", normalised(stage, run.summary))
    golden.check(f"{folder}/log.txt", log)
    golden.check(f"{folder}/outputs.txt", normalised(stage, outputs))
    last = normalised_json(stage, messages[-1]["body"]) if messages else None
    golden.check(f"{folder}/notification.json", json.dumps(last, indent=2, ensure_ascii=False))
