"""Revision names, readiness and provenance."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.adoption import previous_of
from deploy_action.core.app import App, revision_from_azure, serving
from deploy_action.core.revisions.provenance import Provenance, provenance_of
from deploy_action.core.revisions.revision import (
    LONGEST_NAME,
    Readiness,
    Revision,
    suffix_for,
)
from deploy_action.core.revisions.template import for_candidate
from deploy_action.core.traffic.split import Split

LEGAL_SUFFIX = re.compile(r"[a-z0-9](?!.*--)([-a-z0-9]*[a-z0-9])?")  # what Azure accepts


@given(
    app=st.from_regex(r"[a-z]([a-z0-9]|-(?=[a-z0-9])){0,30}[a-z0-9]", fullmatch=True),
    version=st.from_regex(r"(\d{1,5}\.){3}\d{1,5}", fullmatch=True) | st.just(""),
    commit=st.text("0123456789abcdef", max_size=40),
    run=st.from_regex(r"\d{1,12}\.\d{1,3}", fullmatch=True),
    collisions=st.integers(0, 3),
)
def test_every_suffix_is_legal_fits_and_is_new(
    app: str, version: str, commit: str, run: str, collisions: int
) -> None:
    taken: list[str] = []
    for _ in range(collisions + 1):
        suffix = suffix_for(app, version=version, commit=commit, run=run, taken=taken)
        name = f"{app}--{suffix}"

        assert LEGAL_SUFFIX.fullmatch(suffix), suffix
        assert len(name) <= LONGEST_NAME
        assert name not in taken
        taken.append(name)


def test_a_rerun_of_the_same_commit_gets_another_name() -> None:
    first = suffix_for("api", version="1.3.0.3", commit="abcdef0", run="99.1", taken=[])
    second = suffix_for("api", version="1.3.0.3", commit="abcdef0", run="99.2", taken=[])

    assert first != second


@pytest.mark.parametrize(
    ("active", "provisioning", "health", "running", "replicas", "expected"),
    [
        (True, "Provisioned", "Healthy", "Running", 1, Readiness.READY),
        (True, "Provisioned", "Healthy", "RunningAtMaxScale", 10, Readiness.READY),
        (True, "Provisioning", "None", "Processing", 0, Readiness.PENDING),
        (True, "Provisioned", "None", "Activating", 1, Readiness.PENDING),
        (True, "Provisioned", "None", "ActivationFailed", 0, Readiness.FAILED),
        (True, "Failed", "Unhealthy", "Failed", 1, Readiness.FAILED),
        (True, "Provisioned", "Healthy", "Deprovisioning", 1, Readiness.PENDING),
        (False, "Provisioned", "Healthy", "Stopped", 0, Readiness.INACTIVE),
    ],
)
def test_readiness_of_recorded_states(  # noqa: PLR0917  a row of the table
    active: bool,
    provisioning: str,
    health: str,
    running: str,
    replicas: int,
    expected: Readiness,
) -> None:
    """The combinations of the recorded traffic."""
    revision = revision_from_azure(
        {
            "name": "api--a",
            "properties": {
                "active": active,
                "provisioningState": provisioning,
                "healthState": health,
                "runningState": running,
                "replicas": replicas,
            },
        }
    )

    assert revision.readiness is expected


def carrying(name: str, **provenance: str) -> Revision:
    """Build a revision with provenance."""
    container = deployed("m", "image@1", revision=name, **provenance)
    return Revision(name=name, active=True, template={"containers": [container]})


def deployed(name: str, image: str, **provenance: str) -> dict[str, Any]:
    """Build a container as after a deployment of *image*."""
    variables = Provenance(**provenance).as_environment(image)
    env = [{"name": key, "value": value} for key, value in variables.items()]
    return {"name": name, "image": image, "env": env}


def test_a_copy_by_hand_is_not_a_deployment_but_has_the_content_of_its_original() -> None:
    original = carrying("api--1", version="1.3.0.4", commit="c", predecessor="api--0")
    copy = replace(original, name="api--by-hand")

    assert original.provenance == original.content
    assert copy.provenance == Provenance()
    assert (copy.content.version, copy.content.commit) == ("1.3.0.4", "c")
    assert previous_of(copy, [carrying("api--0"), original, copy], {}) is None


def test_a_copy_with_another_image_has_unknown_content() -> None:
    container = deployed("m", "image@1", revision="api--1", version="1.3.0.4")
    other = {**container, "image": "image@2"}
    copy = Revision(name="api--by-hand", active=True, template={"containers": [other]})

    assert copy.content == Provenance()


def test_provenance_is_read_from_the_deployed_container() -> None:
    older = deployed("a", "a@1", revision="api--1", version="1.0", predecessor="api--0")
    newer = deployed("b", "b@2", revision="api--2", version="2.0", predecessor="api--1")
    template = {"containers": [older, newer]}
    revision = Revision(name="api--2", active=True, template=template)

    assert revision.provenance.predecessor == "api--1"
    assert revision.content.version == "2.0"
    assert revision.image == "b@2"


def test_a_user_s_own_variable_is_not_provenance() -> None:
    env = [{"name": "DEPLOY_VERSION", "value": "7.4"}, {"name": "X", "secretRef": "s"}]
    revision = Revision(name="api--1", active=True, template={"containers": [{"env": env}]})

    assert revision.content == Provenance()


def test_a_candidate_has_the_provenance_of_one_container_only() -> None:
    serving = {"containers": [deployed("a", "a@1", revision="api--1"), {"name": "b", "env": None}]}
    template = for_candidate(
        serving,
        suffix="2",
        image="b@2",
        container="b",
        provenance=Provenance(revision="api--2", version="2.0"),
    )

    assert template["containers"][0]["env"] == []
    assert template["containers"][0]["image"] == "a@1"
    assert provenance_of(template, "api--2").version == "2.0"
    assert provenance_of(template, "api--1") == Provenance()


def test_previous_comes_from_stables_provenance_not_from_the_list() -> None:
    good = carrying("api--1")
    sick = carrying("api--2", predecessor="api--1")
    stable = carrying("api--3", predecessor="api--1")

    assert previous_of(stable, [good, sick, stable], {}) is good


def test_without_provenance_there_is_no_previous() -> None:
    assert previous_of(Revision(name="api--1", active=True), [carrying("api--0")], {}) is None


def test_traffic_that_follows_latest_is_served_by_the_latest_ready_one() -> None:
    app = App(
        name="api",
        state="Succeeded",
        mode="Multiple",
        split=Split.from_azure(None),
        latest="api--2",
        latest_ready="api--1",
    )
    ready, newest = Revision(name="api--1", active=True), Revision(name="api--2", active=True)

    assert serving(app, [ready, newest]) is ready
