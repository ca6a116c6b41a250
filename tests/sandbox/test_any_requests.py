"""Random concurrent requests of two clients keep the sandbox's invariants.

After each pair of requests: every response is one of Azure's, weights sum to 100, no revision
is lost, operations do not overlap; and when all have ended, users are answered by the revisions
in the split.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from tests.stage import Stage
from tests.support.eventually import eventually

SERVING = {"Running", "RunningAtMaxScale"}
_numbers = itertools.count(1)


@dataclass(slots=True)
class AppUnderTest:
    """One app, and the requests to it."""

    stage: Stage
    born: dict[str, str] = field(default_factory=dict)

    def known(self) -> list[str]:
        return list(self.stage.scene.revisions())

    def one(self, number: int) -> str:
        names = self.known()
        return names[number % len(names)]

    def ask(self, method: str, tail: str = "", body: Any = None) -> requests.Response:
        return self.stage.scene.ask(method, f"{self.stage.scene.path}{tail}", body)


Act = Callable[[AppUnderTest, int], requests.Response]


def _split(life: AppUnderTest, *entries: dict[str, Any]) -> requests.Response:
    traffic = {"configuration": {"ingress": {"traffic": list(entries)}}}
    return life.ask("PATCH", "", {"properties": traffic})


def _template(life: AppUnderTest, suffix: str, **change: Any) -> requests.Response:
    first = life.stage.scene.revisions()[life.stage.first]["template"]["containers"][0]
    container = {key: value for key, value in first.items() if key != "probes"}
    env = [{"name": "NUMBER", "value": suffix}]
    template = {"revisionSuffix": suffix, "containers": [{**container, "env": env, **change}]}
    return life.ask("PATCH", "", {"properties": {"template": template}})


def new_revision(life: AppUnderTest, _: int) -> requests.Response:
    return _template(life, f"r{next(_numbers)}")


def taken_suffix(life: AppUnderTest, number: int) -> requests.Response:
    return _template(life, life.one(number).partition("--")[2], args=[str(next(_numbers))])


def missing_image(life: AppUnderTest, _: int) -> requests.Response:
    return _template(life, f"m{next(_numbers)}", image="wellintakeregistry.azurecr.io/none:1")


def bad_suffix(life: AppUnderTest, _: int) -> requests.Response:
    return _template(life, "Not--Good-")


def all_to_one(life: AppUnderTest, number: int) -> requests.Response:
    return _split(life, {"revisionName": life.one(number), "weight": "100"})


def shared(life: AppUnderTest, number: int) -> requests.Response:
    first, other = life.one(number), life.one(number + 1)
    share = number % 101
    if first == other:
        return _split(life, {"revisionName": first, "weight": 100, "label": "blue"})
    return _split(
        life,
        {"revisionName": first, "weight": share, "label": "blue"},
        {"revisionName": other, "weight": 100 - share},
    )


def latest(life: AppUnderTest, _: int) -> requests.Response:
    return _split(life, {"latestRevision": True, "weight": 100})


def too_little(life: AppUnderTest, number: int) -> requests.Response:
    return _split(life, {"revisionName": life.one(number), "weight": 99})


def nobody_s(life: AppUnderTest, _: int) -> requests.Response:
    return _split(life, {"revisionName": f"{life.stage.scene.app}--none", "weight": 100})


def no_json(life: AppUnderTest, _: int) -> requests.Response:
    return life.ask("PATCH", "", ["what", "is", "this"])


def tags(life: AppUnderTest, number: int) -> requests.Response:
    return life.ask("PATCH", "", {"tags": {"number": str(number)}})


def activate(life: AppUnderTest, number: int) -> requests.Response:
    return life.ask("POST", f"/revisions/{life.one(number)}/activate")


def deactivate(life: AppUnderTest, number: int) -> requests.Response:
    return life.ask("POST", f"/revisions/{life.one(number)}/deactivate")


def restart(life: AppUnderTest, number: int) -> requests.Response:
    return life.ask("POST", f"/revisions/{life.one(number)}/restart")


def unknown_revision(life: AppUnderTest, _: int) -> requests.Response:
    return life.ask("GET", "/revisions/none")


def look(life: AppUnderTest, _: int) -> requests.Response:
    return life.ask("GET")


GOOD: list[Act] = [new_revision, all_to_one, shared, latest, tags, activate, deactivate, restart]
BAD: list[Act] = [
    *(taken_suffix, missing_image, bad_suffix, too_little, nobody_s, no_json, unknown_revision),
    look,
]
REQUEST = st.tuples(st.sampled_from([*GOOD, *GOOD, *BAD]), st.integers(0, 200))


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@for_any(pairs=st.lists(st.tuples(REQUEST, REQUEST), min_size=4, max_size=10))
def test_concurrent_requests_keep_the_invariants(
    stage: Stage,
    pool: ThreadPoolExecutor,
    pairs: list[tuple[tuple[Act, int], tuple[Act, int]]],
) -> None:
    life = AppUnderTest(stage)
    for pair in pairs:
        answers = list(pool.map(lambda one: one[0](life, one[1]), pair))

        assert {answer.status_code // 100 for answer in answers} <= {2, 4}, answers
        for answer in answers:
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) >= {"code", "message"}
        assert sum(_traffic(stage).values()) == 100
        now = {name: item["createdTime"] for name, item in stage.scene.revisions().items()}
        assert now.items() >= life.born.items(), "a revision was lost, or is another one"
        life.born = now
    stage.wait_until_idle()
    assert _apart(_operations(stage))
    _users_agree(stage)


def _traffic(stage: Stage) -> Counter[str]:
    result: Counter[str] = Counter()
    resource = stage.scene.resource()["properties"]
    for entry in resource["configuration"]["ingress"]["traffic"]:
        name = resource["latestReadyRevisionName"] if entry.get("latestRevision") else None
        result[name or entry["revisionName"]] += entry["weight"]
    return result


def _operations(stage: Stage) -> list[tuple[float, float]]:
    url = f"{stage.scene.environment['SANDBOX_URL']}/history"
    operations = requests.get(url, timeout=30, proxies={"http": ""}).json()["operations"]
    mine = [
        item for item in operations if item["app"] == stage.scene.app and item["took"] is not None
    ]
    return sorted((item["t"], item["t"] + item["took"]) for item in mine)


def _apart(spans: list[tuple[float, float]]) -> bool:
    """Whether no span overlaps the previous one, at the reported precision."""
    return all(end <= begin + 0.02 for (_, end), (begin, _) in itertools.pairwise(spans))


def _users_agree(stage: Stage) -> None:
    """Check that only revisions in the split that can serve answer users.

    A restart may begin while the requests are sent, and refuses some of them.
    """
    eventually(lambda: _answers_match_the_state(stage), "no restart refuses requests")


def _answers_match_the_state(stage: Stage) -> bool:
    while any(
        item["active"] and item["runningState"] in {"Processing", "Activating", "Degraded"}
        for item in stage.scene.revisions().values()
    ):
        pass
    weights = {name: weight for name, weight in _traffic(stage).items() if weight}
    revisions = stage.scene.revisions()
    serving = {
        name
        for name in weights
        if revisions[name]["active"] and revisions[name]["runningState"] in SERVING
    }
    answered: Counter[str] = Counter()
    for _ in range(40):
        reply = stage.scene.session.get(f"{stage.url}/version", timeout=30)
        answered[reply.json()["revision"] if reply.status_code == 200 else ""] += 1
    refused = answered.pop("", 0)
    assert set(answered) <= serving
    if serving == set(weights):
        if 0 < refused < 40:
            return False
        assert refused == 0
        for name, weight in weights.items():
            assert weight < 90 or answered[name] >= 24, "the odds against it are a million to one"
    if not serving:
        assert not answered
    return True
