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
from typing import Any

import click
import requests

from deploy_action.sandbox.live import kept_page
from deploy_action.sandbox.outage import Outage
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
        outage: what goes wrong with Azure, if anything does.
        say: tells the audience.
    """

    scene: Scene
    broken: bool
    outage: Outage | None
    say: Teller
    seen: list[tuple[bool, str]] = field(default_factory=list)

    def play(self) -> bool:
        """Play it; return whether everything that should be seen was seen."""
        users = self._before()
        change = SICK if self.broken else BETTER
        if self.outage:
            self.say.chapter(f"From now on {self.outage.about}")
            self.say.post("faults", self.outage.faults)
        with users.busy(), _told(users):
            what = "makes the app sick" if self.broken else "changes a greeting"
            self.say.chapter(
                f"A developer pushes a commit that {what}; the workflow runs the action"
            )
            commit = self.scene.push_change(*change, f"This {what}")
            exit_code = self._deploy()
        self.say.chapter("The job summary, as GitHub would show it")
        click.echo(self._file("summary.md"))
        self.say.chapter("What was observed from outside")
        self._everywhere(users)
        if self.broken or (self.outage and self.outage.aborts):
            self._came_back(users, exit_code, commit)
        else:
            self._went_over(users, exit_code, commit)
        for fine, sentence in self.seen:
            self.say.line(f"  {'seen    ' if fine else 'NOT SEEN'}  {sentence}", bold=not fine)
        return all(fine for fine, _ in self.seen)

    def _before(self) -> Users:
        self.say.chapter(
            f"The life before: an app that serves {VERSION}, its repository, a filled cache"
        )
        self.scene.make_repository()
        self.say.post("watch", {"repository": str(self.scene.remote)})
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
            [sys.executable, "-I", str(ROOT / "deploy_action/setup/entry.py"), "action"],
            cwd=self.scene.workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            self.say.line(f"  │ {line.rstrip()}", kind="run")
        return process.wait()

    def _file(self, name: str) -> str:
        return (self.scene.directory / f"run-{RUN_ID}" / name).read_text("utf-8")

    def _saw(self, fine: object, sentence: str) -> None:
        self.seen.append((bool(fine), sentence))

    def _everywhere(self, users: Users) -> None:
        total = sum(users.answers.values())
        told = f"{total} requests of users, {len(users.failures)} failed"
        if self.outage and self.outage.harms_users:
            guilty = sorted(self._who_failed())
            stable = next(iter(self.scene.revisions()))
            self._saw(total and stable not in guilty, f"{told}, all of {', '.join(guilty)}")
        else:
            self._saw(total and not users.failures, told)
        with self.scene.cache() as cache:
            counts = {kind: len(cache.keys(f"{kind}:*")) for kind in ("manifest", "session")}
        self._saw(counts["manifest"] == 0, "no key manifest:* is left in the cache")
        self._saw(counts["session"], f"{counts['session']} keys session:* were left alone")

    def _who_failed(self) -> set[str]:
        """Return the revisions that gave users no good answer."""
        [app] = self.say.get("state")["apps"]
        host = app["url"].removeprefix("https://")
        return {
            one["revision"]
            for one in app["answered"]
            if one["host"] == host and not 200 <= one["status"] < 500
        }

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
        by_stable = set(users.answers) == {stable}
        harmed = self.outage is not None and self.outage.harms_users
        self._saw(by_stable or harmed, f"users were answered by {dict(users.answers)}")
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


class Teller:
    """Tells the audience in the terminal, and on the page.

    Args:
        url: of the sandbox itself.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def chapter(self, text: str) -> None:
        """Begin a chapter."""
        click.secho(f"\n── {text}", bold=True)
        self.post("notes", {"kind": "chapter", "text": text})

    def line(self, text: str, *, kind: str = "say", bold: bool = False) -> None:
        """Say one line."""
        click.secho(text, bold=bold)
        self.post("notes", {"kind": kind, "text": text.strip().removeprefix("│ ")})

    def post(self, what: str, body: Any) -> None:
        """Tell the sandbox something."""
        self._session.post(f"{self._url}/{what}", json=body, timeout=30).raise_for_status()

    def get(self, what: str) -> Any:
        """Ask the sandbox something."""
        return self._session.get(f"{self._url}/{what}", timeout=30).json()


def _python() -> str:
    """Name the Python that has what the sandbox needs, as short as it can be named from here."""
    here = Path(sys.executable)
    return str(here.relative_to(ROOT) if here.is_relative_to(ROOT) else here)


def demo(*, broken: bool, outage: Outage | None, page: Path | None) -> int:
    """Play the demonstration in a folder of its own.

    Args:
        broken: whether the new version is sick.
        outage: what goes wrong with Azure, if anything does.
        page: where the page is kept, to be read when all is over.

    Returns:
        0 if all was seen, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-action-demo-") as folder:
        directory = Path(folder)
        click.secho("\n── A local Azure starts", bold=True)
        process, environment = start(directory, "--clock", "instant")
        try:
            click.echo(f"  {environment['HTTPS_PROXY']} answers for all of Azure's host names")
            click.echo(f"  watch it live in a browser: {environment['SANDBOX_URL']}/")
            say = Teller(environment["SANDBOX_URL"])
            scene = Scene(environment, directory)
            fine = Demo(scene, broken=broken, outage=outage, say=say).play()
            verdict = "Everything was seen" if fine else "Not everything was seen"
            say.chapter(verdict)
            if page:
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(kept_page(say.get("history")), "utf-8")
                click.echo(f"  how it went is kept as a page: {page}")
        finally:
            stop(process)
    if fine and not broken and not outage:
        click.echo(
            "  Try next: make the new version sick and watch it come back by itself:\n"
            "      make sandbox ARGUMENTS=--break\n"
            "  or let Azure itself have a bad day:\n"
            "      make sandbox ARGUMENTS='--outage throttled'\n"
            "  or keep a local Azure running for your own clients:\n"
            f"      {_python()} -m deploy_action sandbox up --env-file sandbox.env"
        )
    return 0 if fine else 1
