"""Images: built by the registry, taken from any registry, tagged; and what is refused in time."""

from __future__ import annotations

import pytest

from deploy_action.sandbox.scene import REGISTRY
from deploy_action.sandbox.server import SHARED_GROUP, SHARED_REGISTRY
from tests.stage import VERSION, Stage

HOST = f"{REGISTRY}.azurecr.io"


def tags(stage: Stage, host: str, repository: str) -> dict[str, str]:
    """Return the digests of a repository's tags."""
    form = {
        "grant_type": "access_token",
        "service": host,
        "access_token": stage.scene.token("https://containerregistry.azure.net"),
    }
    session = stage.scene.session
    refresh = session.post(f"https://{host}/oauth2/exchange", data=form).json()["refresh_token"]
    form = {
        "grant_type": "refresh_token",
        "service": host,
        "scope": f"repository:{repository}:pull",
        "refresh_token": refresh,
    }
    access = session.post(f"https://{host}/oauth2/token", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {access}"}
    listed = session.get(f"https://{host}/v2/{repository}/tags/list", headers=headers).json()
    digests = {}
    for tag in listed["tags"]:
        url = f"https://{host}/v2/{repository}/manifests/{tag}"
        digests[tag] = session.head(url, headers=headers).headers["Docker-Content-Digest"]
    return digests


def served_image(stage: Stage) -> str:
    [container] = stage.scene.resource()["properties"]["template"]["containers"]
    return str(container["image"])


@pytest.mark.parametrize(
    "inputs",
    [
        {"registry": "wellintakeregistrydev"},
        {"registry": "wellintakeregistrydev", "registry_resource_group": "TheWell-Dev-East"},
        {"registry": SHARED_REGISTRY},
    ],
    ids=["another group, searched", "another group, named", "another subscription, with a label"],
)
def test_another_registry_builds_the_deployed_image(stage: Stage, inputs: dict[str, str]) -> None:
    stage.push_healthy()

    run = stage.run(**inputs)

    assert run.exit_code == 0, run.log
    host = inputs["registry"] if "." in inputs["registry"] else f"{inputs['registry']}.azurecr.io"
    assert served_image(stage) == run.outputs["image"]
    assert run.outputs["image"].startswith(f"{host}/")
    assert "Successfully built" in run.log, "the log of the build is shown"


def test_a_registry_in_another_subscription_can_be_named(stage: Stage) -> None:
    shared = stage.scene.environment["SANDBOX_SHARED_SUBSCRIPTION"]
    group = f"/subscriptions/{shared}/resourceGroups/{SHARED_GROUP}"
    stage.push_healthy()
    before = stage.requests()[-1]["at"]

    run = stage.run(registry=SHARED_REGISTRY, registry_resource_group=group)

    assert run.exit_code == 0, run.log
    assert not [call for call in stage.requests(before) if call["path"] == "/subscriptions"]


def test_a_registry_that_does_not_exist_is_refused_in_the_plan(stage: Stage) -> None:
    stage.push_healthy()
    before = stage.scene.resource()

    run = stage.run(registry="nosuchregistry")

    assert run.exit_code == 3, run.log
    assert run.logged("nosuchregistry.azurecr.io was not found")
    assert stage.scene.resource() == before
    assert stage.checkout_is_clean()


def test_extra_tags_are_set_after_promotion_and_a_tag_can_be_deployed(stage: Stage) -> None:
    stage.push_healthy()

    built = stage.run(image_tags="latest, feature/tags")
    again = stage.run(image_tag="latest")

    assert built.exit_code == 0, built.log
    digests = tags(stage, HOST, stage.scene.app)
    assert digests["latest"] == digests["feature-tags"] == built.outputs["digest"]
    assert again.exit_code == 0, again.log
    assert again.outputs["digest"] == built.outputs["digest"]


def test_an_aborted_deployment_sets_no_extra_tag(stage: Stage) -> None:
    stage.push_unhealthy()

    run = stage.run(image_tags="latest", gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert "latest" not in tags(stage, HOST, stage.scene.app)


def test_the_builds_own_digest_is_used_if_its_tag_moves(stage: Stage) -> None:
    """Somebody pushes the same tag between build and deployment; the digest is used."""
    stage.push_healthy()

    run = stage.run()

    paths = [call["path"] for call in stage.requests() if "/manifests/" in call["path"]]
    mine = [path for path in paths if f"/v2/{stage.scene.app}/" in path]
    assert run.exit_code == 0, run.log
    assert mine
    assert all("/manifests/sha256:" in path for path in mine)


def test_a_dockerfile_beside_the_context_is_used(stage: Stage) -> None:
    stage.push_healthy()
    workspace = stage.scene.workspace
    (workspace / "docker").mkdir()
    (workspace / "docker/Dockerfile").write_bytes((workspace / "addin/Dockerfile").read_bytes())

    run = stage.run(dockerfile="docker/Dockerfile")

    assert run.exit_code == 0, run.log


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"dockerfile": "/etc/passwd"}, "dockerfile: '/etc/passwd' is outside the checkout"),
        ({"dockerfile": "../secret"}, "is outside the checkout"),
        ({"dockerfile": "linked"}, "is outside the checkout"),
        ({"context": "/etc"}, "context: '/etc' is outside the checkout"),
        ({"context": "linked-folder"}, "context: 'linked-folder' is outside the checkout"),
        (
            {"dockerfile": "missing/Dockerfile"},
            "tried addin/missing/Dockerfile and missing/Dockerfile",
        ),
        ({"repository": "Not/Valid"}, "repository: 'Not/Valid' is not a valid image name"),
        ({"platform": "linux/arm64"}, "linux/amd64, the only platform that Container Apps runs"),
        ({"image_tag": "a/b"}, "a tag of at most 128"),
        ({"build_secrets": "token=hunter2"}, "build-secrets: builds in the registry"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_unusable_build_settings_are_refused_in_the_plan(
    stage: Stage, inputs: dict[str, str], sentence: str
) -> None:
    stage.push_healthy()
    workspace = stage.scene.workspace
    (workspace / "linked").symlink_to("/etc/passwd")
    (workspace / "linked-folder").symlink_to("/etc")
    before = stage.scene.resource()

    run = stage.run(**inputs)

    assert run.exit_code == 2, run.log
    assert run.logged(sentence), run.log
    assert "hunter2" not in run.log.replace("::add-mask::token=hunter2", "")
    assert stage.scene.resource() == before


def test_an_ignore_file_that_docker_refuses_is_refused_with_its_line(stage: Stage) -> None:
    stage.push_healthy()
    (stage.scene.workspace / "addin/.dockerignore").write_text("ok\n[a\n")

    run = stage.run()

    assert run.exit_code == 2, run.log
    assert run.logged("'[a' is not a valid pattern")
    assert run.logged("line=2")


def test_an_image_that_exists_is_deployed_by_its_digest(stage: Stage) -> None:
    image = stage.scene.seed_image(VERSION)

    run = stage.run(image=image)

    assert run.exit_code == 0, run.log
    assert served_image(stage).partition("@")[2] == run.outputs["digest"]
