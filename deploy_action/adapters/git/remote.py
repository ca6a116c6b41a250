"""The checkout's remote: reads, fetches, and pushes by compare-and-swap."""

from __future__ import annotations

from deploy_action.adapters.git.command import NETWORK_S, Command, without_credentials
from deploy_action.adapters.git.errors import PublishError, Refusal, because, classify
from deploy_action.errors import InputError
from deploy_action.runtime.process import Completed, ProcessTimeoutError

_QUIET_PUSH = ("push", "--porcelain", "--no-verify", "--no-signed")
_QUIET_FETCH = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=")


class Remote:
    """One remote of the repository: ``origin``, or the only one there is."""

    def __init__(self, git: Command) -> None:
        self._git = git
        self._address: tuple[str, str] | None = None

    @property
    def url(self) -> str:
        """The push URL without credentials; empty without a remote."""
        return without_credentials(self._found()[1])

    def read(self, *words: str) -> Completed:
        """Run a local git command that may fetch objects that a partial clone left out."""
        return self._git.run(*words, settings=self._git.credentials(self.url))

    def dry_push(self, branch: str) -> PublishError | None:
        """See `Git.dry_push`."""
        ref = self._ref(branch)
        try:
            result = self._talk(*_QUIET_PUSH, "--dry-run", to=(f"HEAD:{ref}",), branch=branch)
        except PublishError as refused:
            return None if refused.refusal is Refusal.MOVED else refused
        is_new = any(line.startswith("*\t") for line in result.splitlines())
        return because(Refusal.MISSING, branch) if is_new else None

    def push(self, commit: str, base: str, branch: str) -> None:
        """Move the branch from *base* to *commit*, or not at all.

        The lease makes an ordinary push stricter. Without it the remote would also accept the
        commit after the branch was reset to before *base*, which would restore removed commits.
        *commit* is a child of *base*, so nothing is ever forced.

        Raises:
            PublishError: why the branch was not moved.
        """
        ref = self._ref(branch)
        lease = f"--force-with-lease={ref}:{base}"
        self._talk(*_QUIET_PUSH, lease, to=(f"{commit}:{ref}",), branch=branch)

    def tip(self, branch: str) -> str:
        """Return the newest commit of the remote's branch.

        Raises:
            PublishError: the remote does not answer, or has no such branch.
        """
        result = self._talk("ls-remote", "--quiet", to=(self._ref(branch),), branch=branch)
        if not result:
            raise because(Refusal.MISSING, branch)
        return result.split("\t", 1)[0]

    def obtain(self, commit: str, *, branch: str, history: bool = False) -> None:
        """Fetch *commit* if it is missing; the depth of a shallow clone does not change.

        Args:
            commit: full id.
            branch: for messages.
            history: whether to fetch its history, too.

        Raises:
            PublishError: it is not available.
        """
        if not history and self.has(commit):
            return
        shallow = self._git.text("rev-parse", "--is-shallow-repository") == "true"
        depth = ("--depth=1",) if shallow and not history else ()
        self._talk(*_QUIET_FETCH, *depth, to=(commit,), branch=branch)

    def has(self, commit: str) -> bool:
        """Whether *commit* is in the local repository."""
        result = self._git.run(
            "rev-parse", "--quiet", "--verify", f"{commit}^{{tree}}", check=False
        )
        return result.exit_code == 0

    def contains(self, tip: str, commit: str, branch: str) -> bool:
        """Whether *commit* is *tip* or one of its ancestors."""
        if tip == commit:
            return True
        self.obtain(tip, branch=branch, history=True)
        result = self._git.run("merge-base", "--is-ancestor", commit, tip, check=False)
        return result.exit_code == 0

    def _talk(self, *words: str, to: tuple[str, ...], branch: str) -> str:
        """Run a git command against the remote; return its output."""
        name, url = self._found()
        if not url:
            raise because(Refusal.UNREACHABLE, branch, "the checkout has no remote")
        # With a token, the remote's URL and none of its configuration. Without one, its name: the
        # URL may contain credentials, which must not be in an argument.
        token = self._git.credentials(url)
        where = without_credentials(url) if token else name
        settings = (*token, (f"remote.{name}.mirror", "false"))  # it pushes everything
        dry = ("--dry-run",) if "--dry-run" in words else ()
        try:
            done = self._git.run(
                *words,
                "--",
                where,
                *to,
                check=False,
                settings=settings,
                timeout_s=NETWORK_S,
                target=" ".join([*dry, without_credentials(url), *to]),
            )
        except ProcessTimeoutError as error:
            raise because(Refusal.UNREACHABLE, branch, error.message) from error
        if done.exit_code != 0:
            raise classify(self._git.redact(f"{done.stdout}\n{done.stderr}"), branch)
        return done.stdout

    def _found(self) -> tuple[str, str]:
        """Return the remote's name and its push URL."""
        if self._address is None:
            names = self._git.text("remote").splitlines()
            name = "origin" if "origin" in names or len(names) != 1 else names[0]
            result = self._git.run("remote", "get-url", "--push", name, check=False)
            self._address = (name, result.stdout.strip())
        return self._address

    def _ref(self, branch: str) -> str:
        ref = f"refs/heads/{branch}"
        if self._git.run("check-ref-format", ref, check=False).exit_code != 0:
            raise InputError(f"'{branch}' is not a valid name of a git branch.")
        return ref
