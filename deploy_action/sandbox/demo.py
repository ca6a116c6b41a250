"""The demonstration: the main job in a local Azure, observed from outside.

It succeeds only if all checks pass: which revisions answered the users, the weights
that Azure reports, the commit on the remote, the deleted and the remaining cache keys.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from deploy_action.sandbox.launch import ROOT, start, stop
from deploy_action.sandbox.live import kept_page
from deploy_action.sandbox.narration import Narrator
from deploy_action.sandbox.outage import Outage
from deploy_action.sandbox.scene import APP, Scene
from deploy_action.sandbox.users import Users

VERSION, NEXT_VERSION = "1.3.0.2", "1.3.0.3"
RUN_ID = 4711
# Production would choose longer times.
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
_NEXT = """
Try next:
  make sandbox ARGUMENTS=--break                           # a version that fails its health checks
  make sandbox ARGUMENTS='--outage throttled'              # Azure throttles requests
  tools/deploy-action sandbox up --env-file sandbox.env    # for your own clients"""
BETTER = ("addin/app/greeting.py", "Hello", "Good morning")


@dataclass(slots=True)
class Demo:
    """One demonstration.

    Args:
        scene: the app, its checkout and its cache.
        broken: whether the pushed change makes the app unhealthy.
        outage: the outage to simulate, if any.
        narrator: prints what happens.
    """

    scene: Scene
    broken: bool
    outage: Outage | None
    narrator: Narrator
    checks: list[tuple[bool, str]] = field(default_factory=list)

    @property
    def aborts(self) -> bool:
        """Whether the deployment is expected to be rolled back."""
        return self.broken or (self.outage is not None and self.outage.aborts)

    def play(self) -> bool:
        """Run it; return whether all checks passed."""
        self.narrator.note("title", f"{APP}: {VERSION} → {NEXT_VERSION}, run {RUN_ID}")
        users = self._set_up()
        change = SICK if self.broken else BETTER
        if self.outage:
            self.narrator.chapter(f"Outage: {self.outage.about}")
            self.narrator.post("faults", self.outage.faults)
        what = "breaks the health check" if self.broken else "changes a greeting"
        self.narrator.chapter(f"Deployment: a developer pushes a commit that {what}")
        with users.busy(pause_s=0.005), _reported(users, self.narrator):
            commit = self.scene.push_change(*change, f"This {what}")
            with self._fast_clock():
                exit_code = self._deploy()
        self.narrator.chapter("Job summary")
        self.narrator.summary(self._file("summary.md"))
        self.narrator.chapter("Verification")
        self.narrator.end_faults()  # the outage must not hit the verification
        self._check_users(users)
        if self.aborts:
            self._check_rollback(users, exit_code, commit)
        else:
            self._check_deployment(users, exit_code, commit)
        for passed, sentence in self.checks:
            self.narrator.check(sentence, passed=passed)
        return self._conclude(users)

    def _conclude(self, users: Users) -> bool:
        """Say in one sentence how it went; return whether all checks passed."""
        failed = sum(not passed for passed, _ in self.checks)
        total = sum(users.answers.values()) + len(users.failures)
        counts = f"{total:,} requests, {len(users.failures):,} failed"
        if failed:
            sentence = f"{failed} of {len(self.checks)} checks failed. {counts}."
        elif self.aborts:
            sentence = f"{counts}, while {NEXT_VERSION} was rejected and {VERSION} kept serving."
        else:
            sentence = f"{counts}, while {VERSION} was replaced by {NEXT_VERSION}."
        outcome = "failed" if failed else "aborted" if self.aborts else "deployed"
        self.narrator.result(sentence, outcome)
        return not failed

    def _set_up(self) -> Users:
        self.narrator.chapter(f"Setup: an app that serves {VERSION}, its repository, a full cache")
        self.scene.make_repository()
        self.narrator.post("watch", {"repository": str(self.scene.remote)})
        image = self.scene.seed_image(VERSION)
        url = self.scene.create_app(image, VERSION)
        self.scene.fill_cache()
        self.narrator.post("clock", {"advance": 3600})  # an app that has served for an hour
        self.narrator.fact("app", url)
        self.narrator.fact("repository", str(self.scene.remote))
        return Users(self.scene, url)

    @contextmanager
    def _fast_clock(self) -> Iterator[None]:
        """Let the sandbox's clock run faster while two revisions have traffic."""
        if not self.outage or self.outage.clock <= 1:
            yield
            return
        pace = self.outage.clock
        self.narrator.fact("clock", f"runs {pace:g} times faster while the candidate has traffic")

        def advance() -> None:
            if len([weight for weight in self.scene.weights().values() if weight]) > 1:
                self.narrator.post("clock", {"advance": pace - 1})

        with _every_second(advance):
            yield

    def _deploy(self) -> int:
        """Run the action's main step with a runner's environment; return its exit code."""
        redis_url = self.scene.environment["AZURE_REDIS_CONNECTION_STRING"]
        inputs = {**QUICK, **(self.outage.settings if self.outage else {}), "cache_url": redis_url}
        env = self.scene.runner_environment(RUN_ID, command="deploy", **inputs)
        process = subprocess.Popen(
            [sys.executable, "-I", str(ROOT / "deploy_action/setup/entry.py"), "action"],
            cwd=self.scene.workspace,
            env={**env, "GITHUB_ACTIONS": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            self.narrator.log_line(line)
        return process.wait()

    def _file(self, name: str) -> str:
        return (self.scene.directory / f"run-{RUN_ID}" / name).read_text("utf-8")

    def _check(self, passed: object, sentence: str) -> None:
        self.checks.append((bool(passed), sentence))

    def _check_users(self, users: Users) -> None:
        total = sum(users.answers.values())
        counts = f"{total + len(users.failures):,} user requests"
        if self.outage and self.outage.harms_users:
            guilty = sorted(self._who_failed())
            stable = next(iter(self.scene.revisions()))
            by = f"all {len(users.failures)} failures came from {', '.join(guilty)}"
            self._check(total and stable not in guilty, f"{counts}, {by}")
        else:
            self._check(total and not users.failures, f"{counts}, {len(users.failures)} failed")
        with self.scene.cache() as cache:
            keys = {kind: len(cache.keys(f"{kind}:*")) for kind in ("manifest", "session")}
        self._check(keys["manifest"] == 0, "no manifest:* keys remain in the cache")
        self._check(keys["session"], f"{keys['session']} session:* keys are unchanged")

    def _who_failed(self) -> set[str]:
        """Return the revisions that returned errors to users."""
        [app] = self.narrator.get("state")["apps"]
        host = app["url"].removeprefix("https://")
        return {
            answer["revision"]
            for answer in app["answered"]
            if answer["host"] == host and not 200 <= answer["status"] < 500
        }

    def _check_deployment(self, users: Users, exit_code: int, commit: str) -> None:
        weights = self.scene.weights()
        newest = list(self.scene.revisions())[-1]
        self._check(exit_code == 0, f"the job's step exited with code {exit_code}")
        self._check(
            weights == {newest: 100}, f"Azure reports traffic weights {_listed(weights, ' %')}"
        )
        self._check(
            len(users.answers) > 1, f"user requests were served by {_listed(users.answers)}"
        )
        url = f"{users.url}/version"
        version = self.scene.session.get(url, timeout=30).json()["version"]
        self._check(version == NEXT_VERSION, f"{url} returns {version}")
        parent = self.scene.git("rev-parse", "main^", cwd=self.scene.remote)
        log = self.scene.git("log", "-1", "--format=%h %s", "main", cwd=self.scene.remote)
        self._check(parent == commit, f"the branch has the commit {log}")
        manifest = self.scene.git("show", "main:addin/manifest.xml", cwd=self.scene.remote)
        self._check(f"?v={NEXT_VERSION}" in manifest, f"its manifest refers to ?v={NEXT_VERSION}")

    def _check_rollback(self, users: Users, exit_code: int, commit: str) -> None:
        weights = self.scene.weights()
        stable, *others = self.scene.revisions()
        active = [name for name in others if self.scene.revisions()[name]["active"]]
        head = self.scene.git("rev-parse", "main", cwd=self.scene.remote)
        status = self.scene.git("status", "--porcelain", cwd=self.scene.workspace)
        self._check(exit_code == 4, f"the job's step exited with code {exit_code}")
        self._check(
            weights == {stable: 100}, f"Azure reports traffic weights {_listed(weights, ' %')}"
        )
        by_stable = set(users.answers) == {stable}
        harmed = self.outage is not None and self.outage.harms_users
        self._check(by_stable or harmed, f"user requests were served by {_listed(users.answers)}")
        self._check(not active, "the candidate is deactivated")
        self._check(head == commit, "nothing was pushed to the branch")
        self._check(not status, "the manifest in the checkout is unchanged")


def _listed(counts: Mapping[str, int], unit: str = "") -> str:
    return ", ".join(f"{name} ({count:,}{unit})" for name, count in counts.items())


@contextmanager
def _reported(users: Users, narrator: Narrator) -> Iterator[None]:
    """Report every second how many requests each revision answered."""
    before: Counter[str] = Counter()

    def report() -> None:
        nonlocal before
        now = Counter(users.answers)
        narrator.users(now - before, len(users.failures))
        before = now

    with _every_second(report):
        yield


@contextmanager
def _every_second(work: Callable[[], None]) -> Iterator[None]:
    """Do *work* every second, in a thread, while the body runs."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(1.0):
            work()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def demo(*, broken: bool, outage: Outage | None, page: Path | None, verbose: bool = False) -> int:
    """Run the demonstration in its own folder.

    Args:
        broken: whether the new version is unhealthy.
        outage: the outage to simulate, if any.
        page: where the page is kept, to be read afterwards.
        verbose: whether the build log and the raw Markdown are shown.

    Returns:
        0 if all checks passed, else 1.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-action-demo-") as folder:
        directory = Path(folder)
        process, environment = start(directory, "--clock", "instant")
        try:
            narrator = Narrator(environment["SANDBOX_URL"], verbose)
            narrator.chapter("Azure sandbox")
            narrator.fact("proxy", environment["HTTPS_PROXY"])
            narrator.fact("live page", f"{environment['SANDBOX_URL']}/")
            scene = Scene(environment, directory)
            passed = Demo(scene, broken=broken, outage=outage, narrator=narrator).play()
            if page:
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(kept_page(narrator.get("history?sample=true")), "utf-8")
                click.echo(f"Page with the job summary: {page}")
        finally:
            stop(process)
    if passed and not broken and not outage:
        click.echo(_NEXT)
    return 0 if passed else 1
