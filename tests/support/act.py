"""Workflow files under `act`, with the action as it is in this checkout."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import yaml

from tests.stage import Stage
from tests.support.paths import ROOT
from tests.support.redis_kinds import free_ports

PROGRAM = Path(sys.executable).parent / "act"
# Where a repository has its copy of the action; its workflows use "./.action".
ACTION = "./.action"
# Takes the place of actions/upload-artifact, which act would download. It uploads with the same
# library to act's own artifact server. That server refuses the library's newest versions
# (nektos/act#6021), so tools/artifact-client has the newest one that works.
STAND_IN = ROOT / "tests" / "support" / "upload_artifact"
CLIENT = ROOT / "tools" / "artifact-client"


def commit_workflows(stage: Stage, files: Mapping[str, str]) -> None:
    """Replace the workflows of the stage's repository, and put the action beside them.

    Args:
        stage: whose repository it is.
        files: the texts of files by their path in the repository.
    """
    desk = stage.scene.directory / "desk"
    stage.scene.git("clone", "--quiet", str(stage.scene.remote), str(desk), cwd=desk.parent)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "action.yml", "requirements.txt", "deploy_action"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = desk / ACTION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    for file in (desk / ".github" / "workflows").glob("*.yml"):
        file.unlink()
    for name, text in files.items():
        target = desk / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    stage.scene.git("add", "--all", "--force", ".", cwd=desk)
    stage.scene.git("commit", "--quiet", "-m", "Deploy with the action", cwd=desk)
    stage.scene.git("push", "--quiet", "origin", "HEAD:main", cwd=desk)
    shutil.rmtree(desk)
    stage.scene.check_out()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRun:
    """A workflow run.

    Args:
        code: exit code.
        log: its log.
        written: the file that a step wrote to.
        summary: the action's job summary.
        artifacts: the files of each artifact, by the artifact's name and the file's name.
    """

    code: int
    log: str
    written: str
    summary: str
    artifacts: Mapping[str, Mapping[str, str]]


def act(
    stage: Stage,
    event: str,
    *words: str,
    variables: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    programs: Sequence[Path] = (),
    meanwhile: Callable[[], None] = lambda: None,
) -> WorkflowRun:
    """Run the repository's workflows for *event*.

    Args:
        stage: whose checkout it is.
        event: such as ``push``.
        words: further arguments of `act`.
        variables: what the workflows read as ``vars.NAME``.
        environment: further variables of all steps; ``WRITTEN`` names a file that they may write.
        programs: further folders of programs, looked into first.
        meanwhile: called again and again while it runs.
    """
    stage.runs += 1
    home = stage.scene.directory / f"act-{stage.runs}"
    home.mkdir()
    written, log = home / "written", home / "log"
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    kept["PATH"] = os.pathsep.join([*map(str, programs), kept["PATH"]])
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    artifacts = home / "artifacts"
    steps = {
        **stage.scene.environment,
        "WRITTEN": str(written),
        "ARTIFACT_CLIENT": str(_artifact_client(stage.scene.directory / "artifact-client")),
        **(environment or {}),
    }
    summary = ""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(str(PROGRAM), event, "--no-cache-server"),
                *("-P", "ubuntu-latest=-self-hosted", "-P", "ubuntu-24.04=-self-hosted"),
                *("--artifact-server-path", str(artifacts)),
                *("--artifact-server-addr", "127.0.0.1"),
                *("--artifact-server-port", str(free_ports(1)[0])),
                *("--local-repository", f"{_uploader()}={STAND_IN}"),
                *words,
                *_pairs("--env", steps),
                *_pairs("--var", variables or {}),
            ],
            cwd=stage.scene.workspace,
            env={**kept, **pip, "XDG_CACHE_HOME": str(home / "cache")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        # act empties the summary's file after each step and shows it nowhere.
        while process.poll() is None:
            meanwhile()
            for file in home.glob("cache/act/*/act/workflow/*SUMMARY*"):
                with contextlib.suppress(FileNotFoundError):  # act may delete it at any moment
                    summary = file.read_text("utf-8") or summary
            time.sleep(0.01)
    text = written.read_text("utf-8") if written.exists() else ""
    return WorkflowRun(
        code=process.returncode,
        log=log.read_text("utf-8"),
        written=text,
        summary=summary,
        artifacts={file.stem: _content(file) for file in artifacts.rglob("*.zip")},
    )


def _artifact_client(folder: Path) -> Path:
    """Return a folder with the library that uploads artifacts, installed from its lock."""
    if not folder.is_dir():
        shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules"))
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def _content(archive: Path) -> dict[str, str]:
    with ZipFile(archive) as opened:
        return {name: opened.read(name).decode("utf-8") for name in opened.namelist()}


def _uploader() -> str:
    """Return the action that uploads artifacts, as action.yml refers to it."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    (name,) = (str(step["uses"]) for step in steps if "uses" in step)
    return name


def _pairs(option: str, values: Mapping[str, str]) -> Sequence[str]:
    return [word for name, value in values.items() for word in (option, f"{name}={value}")]
