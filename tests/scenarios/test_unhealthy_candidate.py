"""The new version does not become healthy: everything is restored, and the job fails."""

import pytest

from tests.stage import NEXT_VERSION, VERSION, Stage, assert_lock_released

MANIFEST = {"manifest": "addin/manifest.xml"}
ANSWER = """{
                "version": VERSION,
                "revision": os.environ.get("CONTAINER_APP_REVISION", ""),
                "commit": os.environ.get("DEPLOY_ACTION_COMMIT", ""),
            }"""


@pytest.mark.quick
@pytest.mark.xdist_group("quick")
def test_a_candidate_that_never_becomes_healthy_reaches_no_user(stage: Stage) -> None:
    pushed = stage.push_unhealthy()
    stage.scene.fill_cache()
    with stage.users().busy() as users:
        run = stage.run(**MANIFEST, gate_timeout="3s")

    assert run.exit_code == 4, run.log
    assert run.outputs["result"] == "aborted"
    assert set(users.answers) == {stage.first}
    assert users.failures == []
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert stage.branch_head() == pushed
    assert stage.checkout_is_clean()
    assert_lock_released(stage)
    assert f"{NEXT_VERSION} was not deployed, {VERSION} serves 100 %" in run.summary
    assert "its readiness probe does not pass" in run.summary
    assert "Restored state" in run.summary
    assert "::error " in run.log


def test_a_crashing_container_is_reported_with_the_platforms_message(stage: Stage) -> None:
    stage.push("addin/app/__main__.py", "import", "raise SystemExit(3)\nimport")
    run = stage.run(**MANIFEST, gate_timeout="15s")

    assert run.exit_code == 4, run.log
    assert stage.weights() == {stage.first: 100}
    assert "platform" in run.summary


def test_a_failed_smoke_test_aborts(stage: Stage) -> None:
    stage.push_healthy()
    run = stage.run(**MANIFEST, smoke_test='echo "asked $CANDIDATE_URL"; exit 7')

    assert run.exit_code == 4, run.log
    assert "'smoke test' exited with code 7" in run.summary
    assert stage.weights() == {stage.first: 100}


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        (
            "addin/app/__main__.py",
            '"version": VERSION',
            '"version": "1.3.0.2"',
            "/version returned 200 and reports version '1.3.0.2', expected '1.3.0.3'",
        ),
        (
            "addin/app/__main__.py",
            'os.environ.get("CONTAINER_APP_REVISION", "")',
            '"another"',
            "reports revision 'another', expected",
        ),
        (
            "addin/app/__main__.py",
            'os.environ.get("DEPLOY_ACTION_COMMIT", "")',
            '"0123456789"',
            "reports commit '0123456789', expected",
        ),
        (
            "addin/app/__main__.py",
            ANSWER,
            "{}",
            "reports neither revision",
        ),
        ("addin/app/__main__.py", '"/version"', '"/about"', "/version returned 404"),
        (
            "addin/app/__main__.py",
            "page := PAGES.get(parts.path)",
            'parts.path != "/manifest.xml" and (page := PAGES.get(parts.path))',
            "/manifest.xml returned 404",
        ),
        ("addin/app/pages.py", '    ".html": "text/html; charset=utf-8",\n', "", "returned 404"),
        (
            "addin/app/__main__.py",
            "self._send(200, page.body,",
            'self._send(200, page.body.replace(b"1.3.0.3", b"1.3.0.1"),',
            "the served manifest has version 1.3.0.1, expected 1.3.0.3",
        ),
        ("addin/app/pages.py", '".html": "text/html;', '".html": "text/plain;', "expected html"),
    ],
    ids=[
        *(
            "old version",
            "other revision",
            "other commit",
            "empty answer",
            "no identity",
            "no manifest",
            "no pages",
        ),
        *("old manifest", "odd pages"),
    ],
)
def test_a_healthy_candidate_with_the_wrong_identity_gets_no_traffic(
    stage: Stage, path: str, old: str, new: str, message: str
) -> None:
    stage.push(path, old, new)
    run = stage.run(**MANIFEST, identity_path="/version", manifest_path="/manifest.xml")

    assert run.exit_code == 4, run.log
    assert message in run.log
    assert stage.weights() == {stage.first: 100}
    assert stage.active() == [stage.first]
    assert stage.checkout_is_clean()


@pytest.mark.parametrize(
    "answer",
    ['{"version": VERSION}', '{"commit": os.environ["DEPLOY_ACTION_COMMIT"][:7]}'],
    ids=["version only", "abbreviated commit only"],
)
def test_the_version_or_the_commit_is_enough_to_identify_a_candidate(
    stage: Stage, answer: str
) -> None:
    stage.push("addin/app/__main__.py", ANSWER, answer)
    run = stage.run(**MANIFEST, identity_path="/version")

    assert run.exit_code == 0, run.log
    assert stage.weights() == {run.outputs["revision"]: 100}


def test_the_manifest_is_found_where_it_usually_is(stage: Stage) -> None:
    """Without the setting manifest-path: at the root, under its file name."""
    served = "self._send(200, page.body,"
    old = 'self._send(200, page.body.replace(b"1.3.0.3", b"1.3.0.1"),'
    stage.push(".github/deploy-action.yml", "    manifest-path: /manifest.xml\n", "")
    stage.push("addin/app/__main__.py", served, old)
    run = stage.run(**MANIFEST)

    assert run.exit_code == 4, run.log
    assert "the served manifest has version 1.3.0.1, expected 1.3.0.3" in run.log
    assert stage.weights() == {stage.first: 100}


def test_an_app_that_does_not_serve_its_manifest_is_deployed(stage: Stage) -> None:
    stage.push(".github/deploy-action.yml", "    manifest-path: /manifest.xml\n", "")
    stage.push("addin/app/__main__.py", "if page := PAGES.get(parts.path):", "if page := None:")
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.logged("manifest check skipped: /manifest.xml returned 404")


def test_a_failed_build_stops_before_azure_is_changed(stage: Stage) -> None:
    stage.push("addin/Dockerfile", "FROM", "FORM")
    before = stage.scene.resource()
    run = stage.run(**MANIFEST)

    assert run.exit_code == 4, run.log
    assert stage.scene.resource() == before
    assert stage.checkout_is_clean()


def test_after_an_abort_the_next_deployment_gets_a_higher_version(stage: Stage) -> None:
    """A version that any revision has had is not used again."""
    stage.push_unhealthy()
    stage.run(**MANIFEST, gate_timeout="3s")
    stage.push("addin/app/health.py", "HEALTHY = False", "HEALTHY = True")
    run = stage.run(**MANIFEST)

    assert run.exit_code == 0, run.log
    assert run.outputs["version"] == "1.3.0.4"
    assert run.outputs["previous-revision"] == stage.first
