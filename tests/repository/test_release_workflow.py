"""The release workflow under `act`, on a clone with a bare remote.

`gh` and the action that attests the archive are stand-ins, because they need GitHub.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT

pytestmark = pytest.mark.slow
VERSION = "99.0.0"
GH = """\
#!/bin/sh
echo "gh $*" >> {log}
case "$1 $2" in
  "run list") echo {passed};;
  "api repos/"*) echo '{{"spdxVersion": "SPDX-2.3"}}';;
  "release create") for name; do last=$name; done; cp "$last" deploy-action-*.tar.gz {out};;
esac
"""
ATTEST = """\
name: attest
inputs: {subject-path: {required: true}}
runs:
  using: composite
  steps:
    - shell: bash
      env: {PATHS: "${{ inputs.subject-path }}"}
      run: sha256sum $PATHS
"""


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone of this checkout's commit and the remote that it pushes to."""

    folder: Path

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    def git(self, *words: str, where: str = "remote.git") -> str:
        identity = ("-c", "user.name=Dana", "-c", "user.email=dana@example.com")
        return subprocess.run(
            ["git", *identity, *words],
            cwd=self.folder / where,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def file(self, name: str, revision: str = "main") -> str:
        """Return a file of the remote."""
        return self.git("show", f"{revision}:{name}")

    def calls(self) -> str:
        """Return the calls of `gh`."""
        return (self.folder / "gh.log").read_text("utf-8")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    head = tmp_path / "head"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(head)], check=True)
    result = Repository(tmp_path)
    result.git("checkout", "--quiet", "-B", "main", where="head")
    clone = ("clone", "--quiet")
    result.git(*clone, "--bare", "--branch=main", str(head), str(result.remote), where=".")
    result.git(*clone, str(result.remote), "work", where=".")
    return result


def release(repository: Repository, *, passed: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the workflow; *passed* is the number of successful runs of CI."""
    folder = repository.folder
    gh, attest = folder / "bin" / "gh", folder / "attest" / "action.yml"
    for file in (gh, attest):
        file.parent.mkdir(exist_ok=True)
    gh.write_text(GH.format(log=folder / "gh.log", passed=passed, out=folder), "utf-8")
    gh.chmod(0o755)
    attest.write_text(ATTEST, "utf-8")
    job = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text("utf-8"))["jobs"]
    uses = [step.get("uses", "") for step in job["release"]["steps"]]
    [attester] = [name for name in uses if name.startswith("actions/attest")]
    return subprocess.run(
        [
            *(str(Path(sys.executable).parent / "act"), "workflow_dispatch"),
            *("-W", ".github/workflows/release.yml", "--no-cache-server"),
            *("-P", "ubuntu-24.04=-self-hosted", "--input", f"version={VERSION}"),
            *("--local-repository", f"{attester}={attest.parent}"),
        ],
        cwd=folder / "work",
        env={
            "PATH": f"{gh.parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_one_commit_has_version_changelog_and_pinned_lines_and_its_tag(
    repository: Repository,
) -> None:
    before = repository.git("rev-parse", "main")

    done = release(repository)

    assert done.returncode == 0, done.stdout + done.stderr
    assert repository.git("rev-parse", "main^") == before
    tag = f"v{VERSION}"
    assert repository.git("rev-parse", f"{tag}^{{commit}}") == repository.git("rev-parse", "main")
    assert repository.git("cat-file", "-t", tag) == "tag", "annotated"
    assert f'"{VERSION}"' in repository.file("deploy_action/__init__.py")
    assert f"\n## {VERSION} (" in repository.file("CHANGELOG.md")
    pages = repository.git("ls-tree", "-r", "--name-only", "main", "README.md", "docs/").split()
    text = "".join(repository.file(page) for page in pages if page.endswith((".md", ".yml")))
    assert set(re.findall(r"[\w-]+/deploy-action@(\S+)", text)) == {tag}
    assert f"gh release create {tag} --verify-tag" in repository.calls()
    archive = repository.folder / f"deploy-action-{VERSION}.tar.gz"
    listed = subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True)
    assert f"deploy-action-{VERSION}/action.yml" in listed.stdout.splitlines()
    assert "SPDX" in (repository.folder / "sbom.spdx.json").read_text("utf-8")


def test_nothing_is_released_unless_ci_has_passed(repository: Repository) -> None:
    before = repository.git("for-each-ref")

    done = release(repository, passed=0)

    assert done.returncode == 1
    assert "CI has not passed" in done.stdout
    assert repository.git("for-each-ref") == before
    assert "release create" not in repository.calls()


@pytest.mark.parametrize("what", ["the tag exists", "the branch has moved"])
def test_a_tag_never_moves_and_no_commit_is_lost(repository: Repository, what: str) -> None:
    if what == "the tag exists":
        repository.git("tag", f"v{VERSION}", "main")
    else:
        repository.git("commit", "--quiet", "--allow-empty", "-m", "Later", where="head")
        repository.git("push", "--quiet", str(repository.remote), "main", where="head")
    before = repository.git("for-each-ref")

    done = release(repository)

    assert done.returncode == 1
    assert repository.git("for-each-ref") == before
    assert "release create" not in repository.calls()
