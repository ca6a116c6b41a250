"""The newcomer's first command: the main job, watched from outside, in a local Azure.

It ends well only when everything it claims was observed: who answered the users, the weights that
Azure reports, the commit on the remote, the keys that are gone and those that stayed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from deploy_action.sandbox.scene import ROOT, Scene, Users, start, stop

VERSION, NEXT_VERSION = "1.3.0.2", "1.3.0.3"
RUN_ID = 4711
# What a patient production would set, in a hurry.
QUICK = {
    "builder": "acr",
    "traffic_steps": "10,50,100",
    "step_interval": "2s",
    "bake": "2s",
    "health_interval": "0.2s",
    "gate_timeout": "10s",
    "drain_time": "1s",
}
SICK = ("addin/app/health.py", "HEALTHY = True", "HEALTHY = False")
BETTER = ("addin/app/greeting.py", "Hello", "Good morning")


@dataclass(slots=True)
class Demo:
    """One demonstration.

    Args:
        scene: the app, its checkout and its cache.
        broken: whether the change that is pushed makes the app sick.
    """

    scene: Scene
    broken: bool
    seen: list[tuple[bool, str]] = field(default_factory=list)

    def play(self) -> bool:
        """Play it; return whether everything that should be seen was seen."""
        users = self._before()
        change = SICK if self.broken else BETTER
        with users.busy(), _told(users):
            what = "makes the app sick" if self.broken else "changes a greeting"
            _chapter(f"A developer pushes a commit that {what}; the workflow runs the action")
            commit = self.scene.push_change(*change, f"This {what}")
            exit_code = self._deploy()
        _chapter("The job summary, as GitHub would show it")
        click.echo(self._file("summary.md"))
        _chapter("What was observed from outside")
        self._everywhere(users)
        if self.broken:
            self._came_back(users, exit_code, commit)
        else:
            self._went_over(users, exit_code, commit)
        for fine, sentence in self.seen:
            click.secho(f"  {'seen    ' if fine else 'NOT SEEN'}  {sentence}", bold=not fine)
        return all(fine for fine, _ in self.seen)

    def _before(self) -> Users:
        _chapter(f"The life before: an app that serves {VERSION}, its repository, a filled cache")
        self.scene.make_repository()
        image = self.scene.seed_image(VERSION)
        url = self.scene.create_app(image, VERSION)
        self.scene.fill_cache()
        click.echo(f"  app         {url}\n  repository  {self.scene.remote}")
        return Users(self.scene, url)

    def _deploy(self) -> int:
        """Run the action's main step with a runner's environment; its words pass through."""
        redis_url = self.scene.environment["AZURE_REDIS_CONNECTION_STRING"]
        env = self.scene.runner_environment(RUN_ID, command="deploy", cache_url=redis_url, **QUICK)
        process = subprocess.Popen(
            [sys.executable, "-I", str(ROOT / ".github" / "run.py"), "action"],
            cwd=self.scene.workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            click.echo(f"  │ {line.rstrip()}")
        return process.wait()

    def _file(self, name: str) -> str:
        return (self.scene.directory / f"run-{RUN_ID}" / name).read_text("utf-8")

    def _saw(self, fine: object, sentence: str) -> None:
        self.seen.append((bool(fine), sentence))

    def _everywhere(self, users: Users) -> None:
        total = sum(users.answers.values())
        first = users.failures[:1]
        self._saw(total and not first, f"{total} requests of users, {len(users.failures)} failed")
        with self.scene.cache() as cache:
            counts = {kind: len(cache.keys(f"{kind}:*")) for kind in ("manifest", "session")}
        self._saw(counts["manifest"] == 0, "no key manifest:* is left in the cache")
        self._saw(counts["session"], f"{counts['session']} keys session:* were left alone")

    def _went_over(self, users: Users, exit_code: int, commit: str) -> None:
        weights = self.scene.weights()
        newest = list(self.scene.revisions())[-1]
        self._saw(exit_code == 0, f"the step ended with exit code {exit_code}")
        self._saw(weights == {newest: 100}, f"Azure says {weights}")
        self._saw(len(users.answers) > 1, f"users were answered by {dict(users.answers)}")
        url = f"{users.url}/version"
        version = self.scene.session.get(url, timeout=30).json()["version"]
        self._saw(version == NEXT_VERSION, f"{url} says {version}")
        parent = self.scene.git("rev-parse", "main^", cwd=self.scene.remote)
        log = self.scene.git("log", "-1", "--format=%h %s", "main", cwd=self.scene.remote)
        self._saw(parent == commit, f"the branch has the commit {log}")
        manifest = self.scene.git("show", "main:addin/manifest.xml", cwd=self.scene.remote)
        self._saw(f"?v={NEXT_VERSION}" in manifest, f"its manifest names ?v={NEXT_VERSION}")

    def _came_back(self, users: Users, exit_code: int, commit: str) -> None:
        weights = self.scene.weights()
        stable, *others = self.scene.revisions()
        active = [name for name in others if self.scene.revisions()[name]["active"]]
        head = self.scene.git("rev-parse", "main", cwd=self.scene.remote)
        status = self.scene.git("status", "--porcelain", cwd=self.scene.workspace)
        self._saw(exit_code == 4, f"the step ended with exit code {exit_code}")
        self._saw(weights == {stable: 100}, f"Azure says {weights}")
        self._saw(set(users.answers) == {stable}, f"users were answered by {dict(users.answers)}")
        self._saw(not active, "the candidate is deactivated")
        self._saw(head == commit, "nothing was pushed to the branch")
        self._saw(not status, "the manifest in the checkout is as it was")


@contextmanager
def _told(users: Users) -> Iterator[None]:
    """Say every second who answered the users since the last time."""
    over = threading.Event()

    def tell() -> None:
        before = dict(users.answers)
        while not over.wait(1.0):
            now = dict(users.answers)
            fresh = {name: count - before.get(name, 0) for name, count in now.items()}
            shown = ", ".join(f"{name} {count}" for name, count in fresh.items() if count)
            click.echo(f"  · users  {shown or 'nobody asked'}; {len(users.failures)} failed")
            before = now

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _chapter(text: str) -> None:
    click.secho(f"\n── {text}", bold=True)


def _python() -> str:
    """Name the Python that has what the sandbox needs, as short as it can be named from here."""
    here = Path(sys.executable)
    return str(here.relative_to(ROOT) if here.is_relative_to(ROOT) else here)


def demo(*, broken: bool) -> int:
    """Play the demonstration in a folder of its own; return 0 if all was seen, else 1."""
    with tempfile.TemporaryDirectory(prefix="deploy-action-demo-") as folder:
        directory = Path(folder)
        _chapter("A local Azure starts")
        process, environment = start(directory, "--clock", "instant")
        try:
            click.echo(f"  {environment['HTTPS_PROXY']} answers for all of Azure's host names")
            fine = Demo(Scene(environment, directory), broken=broken).play()
        finally:
            stop(process)
    _chapter("Everything was seen" if fine else "Not everything was seen")
    if fine and not broken:
        click.echo(
            "  Try next: make the new version sick and watch it come back by itself:\n"
            "      make sandbox ARGUMENTS=--break\n"
            "  or keep a local Azure running for your own clients:\n"
            f"      {_python()} -m deploy_action sandbox up --env-file sandbox.env"
        )
    return 0 if fine else 1
