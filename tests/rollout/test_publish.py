"""Ten runs publish to one branch concurrently, while others push other files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from deploy_action.adapters.git import BOT, Git
from deploy_action.adapters.github_api import GitHub
from deploy_action.core.manifest import edit
from deploy_action.core.manifest.version import Version
from deploy_action.errors import DeployError
from deploy_action.rollout.publish import ApiPublisher, GitPublisher, Publisher, PublishResult
from tests.stage import Stage

RUNS = 10
PATH = "addin/manifest.xml"


def _push(stage: Stage, number: int) -> Publisher:
    home = stage.scene.directory / f"run-of-{number}"
    url = stage.scene.remote.as_uri()
    stage.scene.git("clone", "--quiet", "--depth=1", url, str(home), cwd=home.parent)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home)}
    return GitPublisher(git=Git(home, environment=environment), path=PATH, author=BOT)


def _api(stage: Stage, number: int) -> Publisher:
    environment = stage.scene.environment
    name = f"the-well/{stage.scene.app}"
    about = {"name": name, "path": str(stage.scene.remote)}
    url = f"{environment['SANDBOX_URL']}/github"
    requests.post(url, json=about, timeout=30, proxies={"http": ""}).raise_for_status()
    github = GitHub("https://api.github.com", name, token=environment["SANDBOX_GITHUB_TOKEN"])
    return ApiPublisher(github=github, path=PATH, topic=f"topic-{number}", pull=False)


def _publish(
    publisher: Publisher, version: Version, number: int, start: threading.Barrier
) -> PublishResult | str:
    """Publish as a run does; return where it is, or the refusal."""

    def update(theirs: bytes) -> bytes | None:
        if edit.read(theirs, file=PATH).version >= version:
            return None
        return edit.plan(theirs, file=PATH, target=version).after

    start.wait()
    try:
        return publisher.publish("main", update, f"Raise to {version}\n\nRun-Id: {number}.1\n")
    except DeployError as error:
        return str(error)


def _pushes(stage: Stage, home: Path) -> list[str]:
    """Push other files as someone else, with retries; return the commits."""
    git, remote = stage.scene.git, stage.scene.remote.as_uri()
    git("clone", "--quiet", remote, str(home), cwd=home.parent)
    made = []
    for number in range(4):
        while True:
            git("fetch", "--quiet", "origin", "main", cwd=home)
            git("reset", "--quiet", "--hard", "origin/main", cwd=home)
            (home / f"note-{number}.txt").write_text("hers")
            git("add", ".", cwd=home)
            git("commit", "--quiet", "-m", f"Note {number}", cwd=home)
            try:
                git("push", "--quiet", "origin", "HEAD:main", cwd=home)
            except RuntimeError:
                continue
            made.append(git("rev-parse", "HEAD", cwd=home))
            break
    return made


@pytest.mark.slow
@pytest.mark.parametrize("way", [_push, _api], ids=["by push", "by the API"])
def test_ten_concurrent_runs_lose_no_commit_and_never_decrease_the_version(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, way: Callable[[Stage, int], Publisher]
) -> None:
    for name in ("HTTPS_PROXY", "REQUESTS_CA_BUNDLE", "NO_PROXY"):
        monkeypatch.setenv(name, stage.scene.environment[name])
    before = stage.on_branch("rev-list", "main").splitlines()
    ways = [way(stage, number) for number in range(RUNS)]
    start = threading.Barrier(RUNS + 1)
    ended: dict[int, PublishResult | str] = {}

    def run(number: int) -> None:
        version = Version.parse(f"1.3.0.{number + 3}")
        ended[number] = _publish(ways[number], version, number, start)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(RUNS)]
    for thread in threads:
        thread.start()
    start.wait()
    hers = _pushes(stage, stage.scene.directory / "somebody")
    for thread in threads:
        thread.join()

    history = stage.on_branch("rev-list", "--first-parent", "main").splitlines()
    assert stage.on_branch("rev-list", "--merges", "main") == ""
    assert set(before) | set(hers) <= set(history)
    ours = {}
    for number, single in ended.items():
        assert isinstance(single, PublishResult), single
        if single.commit:
            ours[single.commit] = f"1.3.0.{number + 3}"
        else:
            assert single.where == "the branch already has this version or a higher one"
    assert set(history) == {*before, *hers, *ours}
    in_order = [ours[commit] for commit in reversed(history) if commit in ours]
    assert in_order == sorted(in_order, key=lambda text: Version.parse(text).parts)
    assert in_order[-1] == f"1.3.0.{RUNS + 2}", "the highest is always there in the end"
    now = stage.on_branch("show", f"main:{PATH}")
    assert f"<Version>1.3.0.{RUNS + 2}</Version>" in now
    for commit, version in ours.items():
        changed = stage.on_branch("diff", "--name-only", f"{commit}^", commit)
        assert changed == PATH
        assert f"<Version>{version}</Version>" in stage.on_branch("show", f"{commit}:{PATH}")
