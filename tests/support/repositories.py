"""Real git repositories: a bare remote, pushes by others, and checkouts as on a runner."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MANIFEST = "addin/manifest.xml"
FIRST_MANIFEST = b"<OfficeApp><Version>1.0.0.0</Version></OfficeApp>\n"
_ALICE = {
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.com",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.com",
}


def environment(home: Path) -> dict[str, str]:
    """The environment of programs in these tests: PATH and a home without settings."""
    home.mkdir(parents=True, exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


def git(
    folder: Path, *words: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
) -> str:
    """Run git in *folder*; return its output without the final newline."""
    env = {**environment(folder.parent / "home-of-alice"), **_ALICE, **(extra or {})}
    try:
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=folder,
            env=env,
            input=stdin,
            capture_output=True,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise AssertionError(error.stderr.decode("utf-8", "replace")) from error
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


@dataclass(frozen=True)
class Remote:
    """A bare repository with a branch ``main`` that holds a manifest and other files.

    Args:
        folder: an empty folder.
    """

    folder: Path
    bare: Path = field(init=False)
    alice: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bare", self.folder / "remote.git")
        object.__setattr__(self, "alice", self.folder / "alice")
        self.folder.mkdir(parents=True, exist_ok=True)
        git(self.folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(self.bare, "config", "uploadpack.allowAnySHA1InWant", "true")
        git(self.bare, "config", "uploadpack.allowFilter", "true")
        git(self.folder, "clone", "--quiet", str(self.bare), str(self.alice))
        git(self.alice, "checkout", "--quiet", "-B", "main")
        self.push_as_colleague({MANIFEST: FIRST_MANIFEST, "README.md": b"An add-in\n"})
        self.push_as_colleague({"src/app.py": b"print('one')\n"})

    @property
    def url(self) -> str:
        """A file:// URL, so that shallow and partial clones work."""
        return self.bare.as_uri()

    def push_as_colleague(self, files: Mapping[str, bytes | None], *, branch: str = "main") -> str:
        """Push *files* (None removes one) to the branch as someone else; return the commit."""
        if git(self.bare, "branch", "--list", branch):
            git(self.alice, "pull", "--quiet", "--no-rebase", "--ff-only", "origin", branch)
        for path, content in files.items():
            file = self.alice / path
            if content is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        git(self.alice, "add", "--all")
        git(self.alice, "commit", "--quiet", "-m", "Work on " + ", ".join(files))
        git(self.alice, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return git(self.alice, "rev-parse", "HEAD")

    def clone(self, name: str, *options: str) -> Path:
        """Return a full clone, as developers have."""
        path = self.folder / name
        git(self.folder, "clone", "--quiet", *options, self.url, str(path))
        return path

    def checkout(self, name: str = "work", *, ref: str = "refs/heads/main") -> Path:
        """What actions/checkout leaves: depth 1; on a branch for branches, else a detached head."""
        path = self.folder / name
        path.mkdir()
        git(path, "init", "--quiet", "--initial-branch=unborn")
        git(path, "remote", "add", "origin", self.url)
        kind, _, short = ref.removeprefix("refs/").partition("/")
        target = {"heads": f"refs/remotes/origin/{short}", "tags": ref}.get(kind, "refs/pull/merge")
        git(path, "fetch", "--quiet", "--no-tags", "--depth=1", "origin", f"+{ref}:{target}")
        if kind == "heads":
            git(path, "checkout", "--quiet", "-B", short, target)
        else:
            git(path, "checkout", "--quiet", "--detach", target)
        return path

    def head(self, branch: str = "main") -> str:
        """The commit that the branch is at."""
        return git(self.bare, "rev-parse", f"refs/heads/{branch}")

    def content(self, path: str, at: str = "main") -> bytes:
        """Return the exact bytes of a file."""
        show = subprocess.run(
            ["git", "cat-file", "blob", f"{at}:{path}"],
            cwd=self.bare,
            env=environment(self.folder / "home-of-alice"),
            capture_output=True,
            check=True,
        )
        return show.stdout

    def commits(self, span: str = "main") -> list[str]:
        """Return the commits of a revision range, oldest first."""
        return git(self.bare, "rev-list", "--reverse", span).split()

    def changes(self, commit: str) -> list[str]:
        """The paths that a commit changed against its parent."""
        words = ("diff-tree", "-r", "--no-commit-id", "--name-only", f"{commit}^", commit)
        return git(self.bare, *words).split()


def state(checkout: Path) -> dict[str, str]:
    """The visible state of a checkout: refs, index, head, work tree, configuration.

    ``refs/remotes`` is left out, because a push updates it.
    """
    index = checkout / ".git" / "index"
    config = checkout / ".git" / "config"
    files = {
        str(path.relative_to(checkout)): path.read_bytes().hex() + oct(path.stat().st_mode)
        for path in sorted(checkout.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(checkout).parts
    }
    return {
        "head": (checkout / ".git" / "HEAD").read_text(),
        "refs": git(checkout, "for-each-ref", "refs/heads", "refs/tags"),
        "index": index.read_bytes().hex(),
        "config": config.read_text(),
        "fetch head": str((checkout / ".git" / "FETCH_HEAD").exists()),
        **files,
    }
