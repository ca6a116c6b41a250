"""The first deployment to an existing app whose traffic follows "latest"."""

from tests.stage import NEXT_VERSION, VERSION, Stage


def test_an_app_that_follows_latest_is_pinned_and_deployed(stage: Stage) -> None:
    """Given an app at 1.3.0.2, when a change is pushed, 1.3.0.3 serves and is on main."""
    pushed = stage.push_healthy()
    with stage.users().busy() as users:
        run = stage.run(manifest="addin/manifest.xml")

    assert run.exit_code == 0, run.log
    candidate = run.outputs["revision"]
    assert stage.weights() == {candidate: 100}
    assert stage.serves()["version"] == NEXT_VERSION
    assert stage.serves()["revision"] == candidate
    assert users.failures == []
    assert set(users.answers) == {stage.first, candidate}
    assert stage.on_branch("rev-parse", "main^") == pushed
    assert stage.on_branch("diff", "--name-only", "main^", "main") == "addin/manifest.xml"
    assert f"<Version>{NEXT_VERSION}</Version>" in stage.on_branch(
        "show", "main:addin/manifest.xml"
    )
    assert run.outputs["commit"] == stage.branch_head()


def test_outputs_and_summary_show_the_confirmed_state(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml")

    assert run.outputs["result"] == "deployed"
    assert run.outputs["version"] == NEXT_VERSION
    assert run.outputs["previous-version"] == VERSION
    assert run.outputs["previous-revision"] == stage.first
    assert run.outputs["url"] == stage.url
    assert run.outputs["image"].endswith(f"@{run.outputs['digest']}")
    image = stage.scene.revisions()[run.outputs["revision"]]["template"]["containers"][0]["image"]
    assert image == run.outputs["image"]
    assert f"{NEXT_VERSION} serves 100 %" in run.summary.splitlines()[0]
    assert "100 %" in run.summary
    assert "health" in run.summary


def test_traffic_is_pinned_before_the_candidate_is_created(stage: Stage) -> None:
    """Otherwise the new revision would get all traffic as soon as it is ready."""
    stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml")

    assert run.exit_code == 0, run.log
    assert run.log.index("traffic pinned") < run.log.index("Create the candidate")
    traffic = stage.scene.resource()["properties"]["configuration"]["ingress"]["traffic"]
    assert not [item for item in traffic if item.get("latestRevision")]


def test_the_candidate_is_the_serving_template_with_image_suffix_and_provenance_changed(
    stage: Stage,
) -> None:
    before = stage.scene.revisions()[stage.first]["template"]
    commit = stage.push_healthy()
    run = stage.run(manifest="addin/manifest.xml")

    after = stage.scene.revisions()[run.outputs["revision"]]["template"]
    was, now = before["containers"][0], after["containers"][0]
    assert {k: v for k, v in now.items() if k not in {"image", "env"}} == {
        k: v for k, v in was.items() if k not in {"image", "env"}
    }
    assert after["scale"] == before["scale"]
    variables = {item["name"]: item["value"] for item in now["env"]}
    assert variables.pop("DEPLOY_ACTION_SETTINGS"), "what a rollback compares with"
    assert variables.pop("DEPLOY_ACTION_RUN").startswith("1.1")
    assert variables == {
        "DEPLOY_VERSION": VERSION,  # the user's own
        "DEPLOY_ACTION_VERSION": NEXT_VERSION,
        "DEPLOY_ACTION_COMMIT": commit,
        "DEPLOY_ACTION_PREDECESSOR": stage.first,
        "DEPLOY_ACTION_REVISION": run.outputs["revision"],
        "DEPLOY_ACTION_IMAGE": run.outputs["image"],
    }


def test_a_dry_run_changes_nothing_and_shows_the_plan(stage: Stage) -> None:
    pushed = stage.push_healthy()
    before = stage.scene.resource()
    run = stage.run(manifest="addin/manifest.xml", dry_run="true")

    assert run.exit_code == 0
    assert run.outputs["result"] == "planned"
    assert run.outputs["version"] == VERSION
    assert run.outputs["attempted-version"] == NEXT_VERSION
    assert run.logged("steps 25 % → 50 % → 100 %")
    assert run.logged("duration: ")
    assert stage.scene.resource() == before
    assert stage.branch_head() == pushed
    assert stage.checkout_is_clean()
