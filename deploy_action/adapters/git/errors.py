"""Causes of a failed push, from the output of git and the remote.

The patterns are git's own messages (``builtin/send-pack.c``, ``transport.c``, ``http.c``), GitHub's
error codes GH006 (branch protection) and GH013 (rulesets), and those of its access checks.
"""

from __future__ import annotations

import re
from enum import StrEnum

from deploy_action.errors import DeployError


class Refusal(StrEnum):
    """The kinds of failure that need different reactions."""

    MOVED = "moved"
    PROTECTED = "protected"
    FORBIDDEN = "forbidden"
    HOOK = "hook"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    OTHER = "other"


class PublishError(DeployError):
    """A branch could not be read or pushed to; *refusal* says why."""

    def __init__(self, refusal: Refusal, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.refusal = refusal


# The first match decides, so the more specific signs come first.
_SIGNS = {
    Refusal.PROTECTED: r"GH006|GH013|protected branch|repository rule violations",
    Refusal.FORBIDDEN: r"returned error: 40[134]\b|Authentication failed"
    r"|could not read (Username|Password)|terminal prompts disabled|Permission to .* denied"
    r"|Permission denied|[Rr]epository( '.*')? not found|refusing to allow",
    Refusal.MOVED: r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref"
    r"|incorrect old value|remote ref updated since checkout|reference already exists",
    Refusal.HOOK: r"hook declined",
    Refusal.UNREACHABLE: r"Could not resolve|Failed to connect|Couldn't connect|[Tt]imed out"
    r"|Connection (refused|reset)|early EOF|hung up unexpectedly|unexpected disconnect"
    r"|returned error: (429|5\d\d)|does not appear to be a git repository|RPC failed|SSL"
    r"|Could not read from remote repository|Operation too slow|unable to access",
}
_HINTS = {
    Refusal.MOVED: "Other commits were pushed at the same time. Run the job again.",
    Refusal.PROTECTED: "Use a token that is allowed to bypass the rule, or set commit to "
    "pull-request.",
    Refusal.FORBIDDEN: "Grant the job 'permissions: contents: write', or use a token "
    "with write access.",
    Refusal.HOOK: "Ask the administrator of the git server what the hook requires.",
    Refusal.MISSING: "Run on a branch that exists on the remote.",
    Refusal.UNREACHABLE: "Check the remote's address, the network and the proxy.",
    Refusal.OTHER: "",
}
_SENTENCES = {
    Refusal.MOVED: "The branch '{branch}' moved while the version commit was pushed",
    Refusal.PROTECTED: "The branch '{branch}' is protected against this push",
    Refusal.FORBIDDEN: "The git remote does not allow these credentials to push to '{branch}'",
    Refusal.HOOK: "A hook of the git remote refused the push to '{branch}'",
    Refusal.MISSING: "The git remote has no branch '{branch}'",
    Refusal.UNREACHABLE: "The git remote of '{branch}' cannot be reached",
    Refusal.OTHER: "The push to '{branch}' failed",
}
# Lines that do not name the cause.
_NOISE = re.compile(r"^(hint:|To |Everything up-to-date|Done$|error: failed to push|remote:\s*$)")


def because(refusal: Refusal, branch: str, output: str = "") -> PublishError:
    """Return the error of a known *refusal*; *output* is the message of git or the remote."""
    sentence = _SENTENCES[refusal].format(branch=branch)
    message = f"{sentence}: {output.rstrip('.')}." if output else f"{sentence}."
    return PublishError(refusal, message, hint=_HINTS[refusal])


def classify(text: str, branch: str) -> PublishError:
    """Return why a call to the remote failed.

    Args:
        text: git's complete output, secrets redacted.
        branch: the branch that it was about.
    """
    refusals = (kind for kind, signs in _SIGNS.items() if re.search(signs, text))
    return because(next(refusals, Refusal.OTHER), branch, _cause(text))


def _cause(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _NOISE.match(line)]
    # The remote's own message is more precise than git's; its first line names the rule.
    own = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    rejected = [line for line in lines if line.startswith("!")]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    first = next(iter([*own, *rejected, *fatal, *lines]), "")
    return re.sub(r"\s+", " ", first)[:300]
