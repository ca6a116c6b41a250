"""The bootstrap, run as action.yml and the Makefile run it, against a local package index."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.support.eventually import eventually
from tests.support.paths import ROOT

SCRIPT = ROOT / "deploy_action/setup/bootstrap.py"
# One cold installation serves all tests of this file.
pytestmark = [pytest.mark.xdist_group("bootstrap"), pytest.mark.long, pytest.mark.slow]


@dataclass(frozen=True)
class Done:
    """Exit code and output of one run of the bootstrap."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def python(self) -> Path:
        """The interpreter on the one line of stdout."""
        assert self.exit_code == 0, self.stderr
        (line,) = self.stdout.splitlines()
        return Path(line)


def installer(
    variables: dict[str, str], *words: str | Path, cwd: Path | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-I", str(SCRIPT), *map(str, words)],
        cwd=cwd,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=900)
    return Done(process.returncode, out, err)


def install(variables: dict[str, str], *words: str | Path, cwd: Path | None = None) -> Done:
    return ended(installer(variables, *words, cwd=cwd))


def can_import(python: Path, module: str) -> bool:
    """Whether *python*, started with an empty environment, finds *module*."""
    command = [str(python), "-c", f"import {module}"]
    return subprocess.run(command, env={}, check=False, capture_output=True).returncode == 0


# --- what is installed, and from where --------------------------------------------------------


def wheel_of(folder: Path, name: str = "greeting") -> Path:
    """Build a wheel with one module of its own name."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "WORDS = 'Good morning'\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def lock_for(wheel: Path, *, digest: str = "") -> Path:
    """Write the lock that pins *wheel*."""
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = wheel.with_name("lock.txt")
    lock.write_text(f"greeting==1.0 \\\n    --hash=sha256:{digest}\n", "utf-8")
    return lock


@dataclass
class Index:
    """A package index on loopback; it responds only while its gate is open."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def offer(self, project: str, name: str, data: bytes, *digests: str) -> None:
        """Offer a file; with other hashes than its own, if *digests* are given."""
        links = "".join(
            f'<a href="../../files/{name}#sha256={digest}">{name}</a>'
            for digest in digests or (hashlib.sha256(data).hexdigest(),)
        )
        self.pages[f"/simple/{project}/"] = f"<!DOCTYPE html><html>{links}</html>".encode()
        self.pages[f"/files/{name}"] = data


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requested.append(self.path)
            index.gate.wait()
            body = index.pages.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    try:
        yield index
    finally:
        index.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return wheel_of(tmp_path)


@pytest.fixture
def index(wheel: Path) -> Iterator[Index]:
    with serving(Index()) as index:
        index.gate.set()
        index.offer("greeting", wheel.name, wheel.read_bytes())
        yield index


# --- the machine ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cold:
    """The one real installation: empty folder, no uv on PATH."""

    into: Path
    done: Done

    @property
    def uv(self) -> Path:
        """The folder of the uv that it installed."""
        (program,) = self.into.glob("uv-*/bin/uv")
        return program.parent


@pytest.fixture(scope="session")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Cold:
    into = tmp_path_factory.mktemp("cold") / "made" / "by" / "itself"
    variables = {**os.environ, "PATH": str(tmp_path_factory.mktemp("nothing"))}
    return Cold(into, install(variables, "--into", into, ROOT / "requirements.txt"))


@pytest.fixture
def machine(cold: Cold, wheel: Path, tmp_path: Path) -> dict[str, str]:
    """A job's environment: uv on PATH, and a folder of wheels as the only source."""
    home = tmp_path / "home"
    home.mkdir()
    local = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    return {"PATH": str(cold.uv), "HOME": str(home), **local}


@pytest.fixture
def online(machine: dict[str, str]) -> dict[str, str]:
    """The same environment without a package source."""
    return {name: value for name, value in machine.items() if not name.startswith("PIP_")}


# --- creating an environment ------------------------------------------------------------------


def test_cold_start_without_uv_installs_the_locked_packages(cold: Cold) -> None:
    assert can_import(cold.done.python, "azure.mgmt.appcontainers, click, docker, redis, yaml")
    assert not can_import(cold.done.python, "pytest")
    assert "with uv" in cold.done.stderr
    assert cold.done.python.is_relative_to(cold.into)


def test_the_environment_has_the_locked_packages_only(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    assert can_import(Path(sys.executable), "pytest")  # the "user's" Python has it
    done = install(machine, "--into", tmp_path / "into", lock_for(wheel))
    assert can_import(done.python, "greeting")
    assert not can_import(done.python, "pytest")
    assert "with uv" in done.stderr


def test_a_second_run_reuses_the_environment(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    into, lock = tmp_path / "into", lock_for(wheel)
    first = install(machine, "--into", into, lock)
    wheel.unlink()
    second = install(machine, "--into", into, lock)
    assert second.python == first.python
    assert second.stderr == ""


def test_each_lock_has_its_own_environment(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    into, lock = tmp_path / "into", lock_for(wheel)
    first = install(machine, "--into", into, lock)
    lock.write_text(f"{lock.read_text('utf-8')}# changed\n", "utf-8")
    assert install(machine, "--into", into, lock).python != first.python


def test_default_folder_on_a_runner_is_its_temporary_folder(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    done = install({**machine, "RUNNER_TEMP": str(tmp_path / "temp")}, lock_for(wheel))
    assert done.python.is_relative_to(tmp_path / "temp")


def test_default_folder_elsewhere_is_the_users_cache(machine: dict[str, str], wheel: Path) -> None:
    done = install(machine, lock_for(wheel))
    assert done.python.is_relative_to(Path(machine["HOME"]) / ".cache")


# --- interrupted and concurrent runs ----------------------------------------------------------


def test_an_interrupted_installation_starts_again(
    online: dict[str, str], index: Index, wheel: Path, tmp_path: Path
) -> None:
    into, lock = tmp_path / "into", lock_for(wheel)
    variables = {**online, "PIP_INDEX_URL": index.url}
    index.gate.clear()
    first = installer(variables, "--into", into, lock)
    eventually(lambda: index.requested, "the installer downloads something")
    assert list(into.glob("python-*/bin/python")), "the test must interrupt it half-way"
    first.send_signal(signal.SIGKILL)
    assert ended(first).stdout == ""
    second = installer(variables, "--into", into, lock)
    index.gate.set()
    assert can_import(ended(second).python, "greeting")


def test_a_run_waits_for_the_child_processes_of_a_killed_run(
    online: dict[str, str], index: Index, wheel: Path, tmp_path: Path
) -> None:
    into, lock = tmp_path / "into", lock_for(wheel)
    variables = {**online, "PIP_INDEX_URL": index.url}
    index.gate.clear()
    first = installer(variables, "--into", into, lock)
    eventually(lambda: index.requested, "the installer downloads something")
    (home,) = into.glob("python-*")
    (home / "of the first one").touch()
    first.kill()
    second = installer(variables, "--into", into, lock)
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(1.0)
    assert (home / "of the first one").exists()
    index.gate.set()
    assert can_import(ended(second).python, "greeting")
    assert not (home / "of the first one").exists()
    ended(first)


def test_concurrent_runs_create_the_environment_once(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    lock = lock_for(wheel)
    crowd = [installer(machine, "--into", tmp_path / "into", lock) for _ in range(4)]
    done = [ended(process) for process in crowd]
    assert len({each.python for each in done}) == 1
    assert sum("created" in each.stderr for each in done) == 1
    assert can_import(done[0].python, "greeting")


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize("with_uv", [True, False], ids=["by uv", "by pip"])
def test_a_package_with_a_wrong_hash_is_refused_and_nothing_usable_remains(
    machine: dict[str, str], wheel: Path, tmp_path: Path, *, with_uv: bool
) -> None:
    into, lock = tmp_path / "into", lock_for(wheel, digest="0" * 64)
    path = machine["PATH"] if with_uv else str(tmp_path / "nothing")
    for _ in range(2):
        done = install({**machine, "PATH": path}, "--into", into, lock)
        assert (done.exit_code, done.stdout) == (3, "")
        assert done.stderr.startswith("bootstrap: Could not install the action's Python packages (")
        assert len(done.stderr.splitlines()) == 1
        assert not list(into.glob("python-*"))


def test_on_github_an_error_is_an_annotation(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    lock = lock_for(wheel, digest="0" * 64)
    done = install({**machine, "GITHUB_ACTIONS": "true"}, "--into", tmp_path / "into", lock)
    assert done.exit_code == 3
    assert done.stderr.startswith("::error title=Installing Python packages::Could not install the")


def test_a_missing_lock_is_named(machine: dict[str, str], tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    done = install(machine, "--into", tmp_path / "into", missing)
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == f"bootstrap: The lock file '{missing}' does not exist.\n"


def test_a_package_without_a_hash_is_refused(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    lock = lock_for(wheel)
    lock.write_text("greeting==1.0\n", "utf-8")
    assert install(machine, "--into", tmp_path / "into", lock).exit_code == 3


# --- the job's settings -----------------------------------------------------------------------


def test_settings_of_the_job_have_no_effect(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    workspace.mkdir()
    (workspace / "uv.toml").write_text("not TOML", "utf-8")
    (workspace / "pyproject.toml").write_text("not TOML either", "utf-8")
    (workspace / ".python-version").write_text("2.7", "utf-8")
    config = Path(machine["HOME"]) / ".config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text(f"[install]\nuser = true\ntarget = {elsewhere}\n", "utf-8")
    job = {
        **dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "VIRTUAL_ENV"), str(elsewhere)),
        **dict.fromkeys(("UV_PROJECT_ENVIRONMENT", "UV_TARGET", "UV_CACHE_DIR"), str(elsewhere)),
        **dict.fromkeys(("PIP_USER", "PIP_REQUIRE_VIRTUALENV", "UV_SYSTEM_PYTHON"), "1"),
        **dict.fromkeys(("PIP_NO_BINARY", "PIP_CONSTRAINT", "UV_PYTHON"), "nonsense"),
        "UV_NO_BINARY": "1",
        "PYTHONWARNINGS": "error",
    }
    lock = lock_for(wheel)
    for path in (machine["PATH"], str(tmp_path / "nothing")):
        variables = {**machine, **job, "PATH": path}
        into = tmp_path / f"into-{len(path)}"
        done = install(variables, "--into", into, lock, cwd=workspace)
        assert can_import(done.python, "greeting")
        assert not elsewhere.exists()


def in_a_variable(url: str, _home: Path) -> dict[str, str]:
    return {"PIP_INDEX_URL": url}


def in_the_users_file(url: str, home: Path) -> dict[str, str]:
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(f"[global]\nindex-url = {url}\n", "utf-8")
    return {}


def in_a_named_file(url: str, home: Path) -> dict[str, str]:
    (home / "mirror.conf").write_text(f"[global]\nindex_url = {url}\n", "utf-8")
    return {"PIP_CONFIG_FILE": str(home / "mirror.conf")}


def in_a_variable_of_uv(url: str, _home: Path) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": "http://127.0.0.1:9/not-this-one"}


def hostile_modules(folder: Path, *names: str) -> Path:
    """Create modules that write a file when they are imported."""
    folder.mkdir()
    for name in ("argparse", "hashlib", "pip", "platform", "subprocess", *names):
        text = f"open({str(folder / 'imported')!r}, 'w')\nraise SystemExit(9)\n"
        (folder / f"{name}.py").write_text(text, "utf-8")
    return folder


def test_pythonpath_cannot_replace_the_standard_library(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    modules = hostile_modules(tmp_path / "modules")
    lock = lock_for(wheel)
    for path in (machine["PATH"], str(tmp_path / "nothing")):
        command = [
            os.path.realpath(sys.executable),
            str(SCRIPT),
            "--into",
            f"{tmp_path}/{len(path)}",
        ]
        done = subprocess.run(
            [*command, str(lock)],
            env={**machine, "PYTHONPATH": str(modules), "PATH": path},
            cwd=modules,
            capture_output=True,
            text=True,
            check=False,
        )
        assert can_import(Done(done.returncode, done.stdout, done.stderr).python, "greeting")
    assert not (modules / "imported").exists()


def test_the_actions_first_step_ignores_the_jobs_modules(
    machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    modules = hostile_modules(tmp_path / "modules", "sitecustomize", "usercustomize")
    action, output = tmp_path / "action", tmp_path / "output"
    shutil.copytree(SCRIPT.parent, action / "deploy_action/setup")
    lock_for(wheel).rename(action / "requirements.txt")
    steps = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", steps[0]["run"]],
        env={
            **machine,
            "GITHUB_ACTION_PATH": str(action),
            "GITHUB_OUTPUT": str(output),
            "PATH": f"{machine['PATH']}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(modules),
            "RUNNER_TEMP": str(tmp_path / "temp"),
        },
        cwd=modules,
        check=True,
    )
    python = output.read_text("utf-8").splitlines()[0].removeprefix("path=")
    assert can_import(Path(python), "greeting")
    assert not (modules / "imported").exists()


@pytest.mark.parametrize(
    "configured", [in_a_variable, in_the_users_file, in_a_named_file, in_a_variable_of_uv]
)
def test_packages_come_from_the_users_own_index(
    configured: Callable[[str, Path], dict[str, str]],
    online: dict[str, str],
    index: Index,
    wheel: Path,
    tmp_path: Path,
) -> None:
    variables = {**online, **configured(index.url, Path(online["HOME"]))}
    done = install(variables, "--into", tmp_path / "into", lock_for(wheel))
    assert can_import(done.python, "greeting")
    assert f"/files/{wheel.name}" in index.requested


# --- without a usable uv ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "script", [None, "echo uv 0.1.5", "exit 127"], ids=["none", "old", "broken"]
)
def test_without_a_usable_uv_pip_installs(
    script: str | None, machine: dict[str, str], wheel: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bin"
    path.mkdir()
    if script:
        (path / "uv").write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (path / "uv").chmod(0o755)
    variables = {**machine, "PATH": str(path)}
    done = install(variables, "--into", tmp_path / "into", lock_for(wheel))
    assert can_import(done.python, "greeting")
    assert "with pip" in done.stderr


def test_a_uv_with_another_hash_than_the_pinned_one_never_runs(
    online: dict[str, str], index: Index, wheel: Path, tmp_path: Path
) -> None:
    pinned = (ROOT / "deploy_action/setup/uv-requirements.txt").read_text("utf-8")
    version = pinned.partition("uv==")[2].split()[0]
    forged, mark = tmp_path / "forged.whl", tmp_path / "it ran"
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr(f"uv-{version}.data/scripts/uv", f"#!/bin/sh\necho uv 9.9 > '{mark}'\n")
    name = f"uv-{version}-py3-none-manylinux_2_17_{os.uname().machine}.whl"
    digests = [line.split()[0] for line in pinned.split("--hash=sha256:")[1:]]
    index.offer("uv", name, forged.read_bytes(), *digests)
    variables = {**online, "PATH": str(tmp_path / "nothing"), "PIP_INDEX_URL": index.url}
    into = tmp_path / "into"
    done = install(variables, "--into", into, lock_for(wheel))
    assert f"/files/{name}" in index.requested, "the forged uv must be downloaded"
    assert not mark.exists()
    assert not list(into.glob("uv-*"))
    assert can_import(done.python, "greeting")
