"""Reads the checkout, makes commits outside its work tree, and publishes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deploy_action.adapters.git import objects
from deploy_action.adapters.git.command import Command
from deploy_action.adapters.git.errors import PublishError
from deploy_action.adapters.git.publication import TRIES, Publication, Remake
from deploy_action.adapters.git.remote import Remote
from deploy_action.adapters.git.values import BOT, Checkout, Head, Identity, Published, TreeFile
from deploy_action.errors import PreflightError
from deploy_action.runtime.process import ProcessError

_VERSION_COMMIT = "^Run-Id: "  # a trailer
_VERSION_COMMITS = 20


class Git:
    """The repository that the workspace belongs to.

    Args:
        workspace: the checkout.
        token: used for the remote instead of the credentials that the checkout configured; may
            be empty.
        environment: what git inherits: PATH, HOME, proxies; git's own variables are dropped.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        token: str = "",
        environment: Mapping[str, str],
    ) -> None:
        self._workspace = workspace
        self._git = Command(workspace, token=token, environment=environment)
        self._remote = Remote(self._git)

    def head(self) -> Head:
        """Return the commit and the branch that are checked out.

        Raises:
            PreflightError: the workspace is not a checkout, or has no commit.
        """
        commit, _ = self._rev_parse()
        return Head(commit=commit, branch=self._branch())

    def _rev_parse(self) -> tuple[str, list[str]]:
        words = ("rev-parse", "HEAD", "--is-shallow-repository", "--show-toplevel")
        try:
            answer = self._git.text(*words)
        except ProcessError as error:
            raise PreflightError(
                f"The workspace {self._workspace} is not a git checkout, or has no commits.",
                hint="Run actions/checkout before this step.",
            ) from error
        commit, *rest = answer.split("\n", 2)
        return commit, rest

    def _branch(self) -> str | None:
        ref = self._git.run("symbolic-ref", "--quiet", "HEAD", check=False).stdout.strip()
        return ref.removeprefix("refs/heads/") or None

    def observe(self, *paths: str) -> Checkout:
        """Return the state of the checkout.

        Args:
            paths: files whose blobs are needed, relative to the repository.

        Raises:
            PreflightError: the workspace is not a checkout, or has no commit.
        """
        head, (shallow, root) = self._rev_parse()
        entries = {path: objects.entry(self._git, head, path) for path in paths}
        return Checkout(
            root=Path(root),
            head=head,
            branch=self._branch(),
            shallow=shallow == "true",
            dirty=self._dirty(),
            blobs={path: at[1] if at else None for path, at in entries.items()},
        )

    def file_at(self, commit: str, path: str) -> TreeFile | None:
        """Return the file *path* of *commit*, or None if there is none.

        Raises:
            PreflightError: it is not a regular file (a link, a folder, a submodule).
        """
        return objects.file_at(self._git, self._remote, commit, path)

    def file_of(self, commit: str, path: str) -> bytes | None:
        """Return a file of a commit that may have to be fetched, or None; raises `PublishError`."""
        self._remote.obtain(commit, branch=commit)
        file = self.file_at(commit, path)
        return file.content if file else None

    def changed_paths(self, base: str, head: str) -> frozenset[str] | None:
        """Return the paths that differ between two commits; missing ones are fetched.

        Returns:
            None if a commit is not available: history was rewritten, or no remote answers.
        """
        try:
            for commit in (base, head):
                self._remote.obtain(commit, branch=commit)
        except PublishError:
            return None
        words = ("diff-tree", "-r", "-z", "--name-only", "--no-renames", base, head)
        listed = self._remote.read(*words).stdout
        return frozenset(name for name in listed.split("\0") if name)

    def tracked_paths(self) -> list[str]:
        """Return the paths of all files of the checked-out commit."""
        words = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD")
        return [name for name in self._remote.read(*words).stdout.split("\0") if name]

    def newer_commit(self, commit: str, branch: str) -> str:
        """Return the newest commit of the remote's branch that *commit* does not contain.

        Version commits do not count, because they change nothing else. On a branch that no longer
        contains *commit*, it is the branch's tip.

        Returns:
            an empty text if there is none.

        Raises:
            PublishError: the remote does not answer, or has no such branch.
        """
        tip = self._remote.tip(branch)
        if not self._remote.contains(tip, commit, branch):
            return tip
        words = ("-1", "--extended-regexp", "--invert-grep", f"--grep={_VERSION_COMMIT}")
        return self._git.text("rev-list", *words, f"{commit}..{tip}")

    def last_version_commit(self, path: str) -> str:
        """Return the newest version commit of one manifest in the local history, or nothing.

        The oldest commit of a shallow history seems to change every file, so the commit's own
        trailer decides, unless it is from a version of this action that wrote none.
        """
        words = (
            "log",
            f"-{_VERSION_COMMITS}",
            "--format=%H %(trailers:key=Manifest,valueonly,separator=%x20)",
            "--extended-regexp",
            f"--grep={_VERSION_COMMIT}",
            "HEAD",
            "--",
            path,
        )
        for line in self._git.text(*words).splitlines():
            commit, _, manifest = line.partition(" ")
            if manifest in {"", path}:
                return commit
        return ""

    def commit_files(
        self,
        base: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        when: float,
        author: Identity = BOT,
        committer: Identity = BOT,
    ) -> str:
        """Make a commit on *base* in which exactly *files* differ; no ref points to it.

        Two runs that make the same change in the same second get the same commit id, and both
        pushes succeed; the message must distinguish them.

        Args:
            base: the parent.
            files: bytes by path, stored exactly as they are; a file that exists keeps its mode.
            message: subject, body and trailers.
            when: seconds since 1970, for both dates.
            author: who changed it.
            committer: who committed it.

        Returns:
            the new commit's id.

        Raises:
            PreflightError: a path is not a regular file in *base*.
            DeployError: the commit would change something else.
        """
        return objects.make_commit(
            self._git,
            base,
            files,
            message=message,
            when=when,
            author=author,
            committer=committer,
        )

    def dry_push(self, branch: str) -> PublishError | None:
        """Return why the remote would refuse a push, without pushing; None if it would not.

        This checks the connection, the credentials and that the branch exists. Branch protection
        is only enforced on a real push.
        """
        return self._remote.dry_push(branch)

    def publish(
        self,
        commit: str,
        branch: str,
        *,
        paths: Sequence[str],
        remake: Remake,
        wait: Callable[[float], None],
        tries: int = TRIES,
    ) -> Published:
        """Put *commit* on the remote's branch by compare-and-swap.

        If the branch is not at the commit's parent any more, the commit is made again by *remake*
        on the branch's new tip. Nothing is forced or merged.

        Args:
            commit: made by `commit_files`.
            branch: the remote's branch.
            paths: the files that *remake* needs.
            remake: receives the branch's commit and its files (None if missing), and returns the
                new commit, or None if there is nothing left to publish. May raise.
            wait: waits between tries, in seconds.
            tries: how many pushes at most.

        Raises:
            PublishError: why it is not on the branch.
        """
        way = Publication(self._git, self._remote, commit, branch, paths=paths, remake=remake)
        return way.run(wait, tries)

    def advance_local(self, commit: str, paths: Sequence[str]) -> bool:
        """Move the checkout's head and index to a published commit, for *paths* only.

        Returns:
            False, with nothing changed, if the head is not the commit's parent, if one of *paths*
            was staged otherwise, or if another git holds the index.
        """
        base = objects.parent(self._git, commit)
        staged = ("diff-index", "--cached", "--quiet", base, "--", *paths)
        if (
            self._git.text("rev-parse", "HEAD") != base
            or self._git.run(*staged, check=False).exit_code != 0
        ):
            return False
        entries = {path: objects.entry(self._git, commit, path) for path in paths}
        lines = objects.index_lines({path: at for path, at in entries.items() if at})
        # The index first: if it stops in between, the change looks staged, not reverted.
        update = ("update-index", "--add", "-z", "--index-info")
        if self._git.run(*update, input=lines, check=False).exit_code != 0:
            return False
        people = {"GIT_COMMITTER_NAME": BOT.name, "GIT_COMMITTER_EMAIL": BOT.email}
        move = ("update-ref", "-m", "deploy: the version commit", "HEAD", commit, base)
        self._git.run(*move, extra=people)
        return True

    def _dirty(self) -> frozenset[str]:
        """Return tracked paths that differ; the insides of submodules do not count.

        A checkout without Git LFS is configured for it all the same; its filter may fail here.
        """
        query = ("config", "--name-only", "--get-regexp", r"^filter\..*\.required$")
        filters = self._git.run(*query, check=False).stdout.splitlines()
        words = ("-z", "--untracked-files=no", "--ignore-submodules=dirty", "--no-renames")
        lenient = tuple((name, "false") for name in filters)
        listed = self._git.run("status", "--porcelain=v1", *words, settings=lenient)
        return frozenset(line[3:] for line in listed.stdout.split("\0") if line)
