"""Commits, trees and files of the object store. Nothing here moves a ref."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from deploy_action.adapters.git.command import Command
from deploy_action.adapters.git.remote import Remote
from deploy_action.adapters.git.values import Identity, TreeFile
from deploy_action.errors import DeployError, PreflightError

_FILE_MODES = frozenset({"100644", "100755"})
_NEW_FILE = "100644"
_KINDS = {"040000": "a folder", "120000": "a symbolic link", "160000": "a submodule"}


def file_at(git: Command, remote: Remote, commit: str, path: str) -> TreeFile | None:
    """See `Git.file_at`."""
    tree_entry = entry(git, commit, path)
    if tree_entry is None:
        return None
    mode, blob = tree_entry
    content = remote.read("cat-file", "blob", blob).output
    return TreeFile(path=path, mode=mode, blob=blob, content=content)


def entry(git: Command, commit: str, path: str) -> tuple[str, str] | None:
    """Return mode and blob of the file *path* of *commit*, or None.

    Raises:
        PreflightError: it is not a regular file.
    """
    plain = str(PurePosixPath(path))
    listed = git.run("ls-tree", "-z", "--full-tree", commit, "--", plain).stdout
    if not listed:
        return None
    mode, _, blob = listed.partition("\t")[0].split(" ")
    if mode not in _FILE_MODES:
        raise PreflightError(
            f"'{path}' is {_KINDS.get(mode, 'not a file')} in commit {commit[:12]}, but must be a "
            "regular file.",
            hint="Specify the path of the file itself.",
        )
    return mode, blob


def parent(git: Command, commit: str) -> str:
    """Return the first parent of *commit*, full id."""
    return git.text("rev-parse", "--verify", f"{commit}^")


def index_lines(entries: Mapping[str, tuple[str, str]]) -> bytes:
    """Return modes and blobs by path as input of ``update-index --index-info``."""
    return "".join(f"{mode} {blob}\t{path}\0" for path, (mode, blob) in entries.items()).encode()


def make_commit(
    git: Command,
    base: str,
    files: Mapping[str, bytes],
    *,
    message: str,
    when: float,
    author: Identity,
    committer: Identity,
) -> str:
    """See `Git.commit_files`."""
    entries = {path: (_mode(git, base, path), _store(git, files[path])) for path in files}
    with tempfile.TemporaryDirectory(prefix="deploy-action-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git.run("read-tree", base, extra=index)
        update = ("update-index", "--add", "-z", "--index-info")
        git.run(*update, input=index_lines(entries), extra=index)
        tree = git.run("write-tree", "--missing-ok", extra=index).stdout.strip()
    date = f"@{int(when)} +0000"
    people = {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": date,
    }
    words = ("commit-tree", "--no-gpg-sign", "-p", base, "-F", "-", tree)
    commit = git.run(*words, input=message.encode(), extra=people).stdout.strip()
    _check_changes(git, base, commit, files)
    return commit


def _check_changes(git: Command, base: str, commit: str, files: Mapping[str, bytes]) -> None:
    """Check that a commit changes all of *files* and nothing else.

    git ignores a path that it does not accept, such as ``./a``, with no error.
    """
    words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, commit)
    changed = {name for name in git.run(*words).stdout.split("\0") if name}
    if changed != set(files):
        expected, actual = (", ".join(sorted(paths)) or "nothing" for paths in (files, changed))
        raise DeployError(
            f"The version commit would change {actual}, but must change {expected}; it was not "
            "published.",
            hint="Check the input manifest: a path relative to the repository.",
        )


def _mode(git: Command, base: str, path: str) -> str:
    tree_entry = entry(git, base, path)
    return tree_entry[0] if tree_entry else _NEW_FILE


def _store(git: Command, content: bytes) -> str:
    """Store exactly these bytes; without a path, no filter and no line-ending rule applies."""
    return git.text("hash-object", "-w", "--no-filters", "--stdin", input=content)
