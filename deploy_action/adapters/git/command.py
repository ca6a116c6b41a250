"""Runs the git program with a clean environment, our own configuration and the token."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from deploy_action.runtime import credential_hosts, process
from deploy_action.runtime.process import Completed

LOCAL_S = 60.0
NETWORK_S = 60.0

# git's variables for reaching the remote and for the user's own settings. All others could redirect
# a call to another repository, index or object store, or change its output.
_KEPT = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
    }
)
# Overrides of the user's configuration, in every call.
_SETTINGS = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.splitIndex", "false"),
    ("commit.gpgSign", "false"),
    ("push.gpgSign", "false"),
    ("push.followTags", "false"),
    ("push.recurseSubmodules", "no"),
    ("fetch.recurseSubmodules", "no"),
    ("fetch.writeCommitGraph", "false"),
    ("submodule.recurse", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "30"),
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Command:
    """Runs git in one workspace.

    Args:
        workspace: the checkout or a folder of it.
        token: sent to http remotes as GitHub's own checkout does; if empty, the credentials that
            the checkout or the user configured are used.
        environment: what git inherits, without git's own variables.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        token: str,
        environment: Mapping[str, str],
    ) -> None:
        self._workspace = workspace
        self._token = token
        self._secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        self._server = environment.get("GITHUB_SERVER_URL", "")
        self._environment = _clean(environment)
        self._settings = (*_SETTINGS, ("safe.directory", str(_root(workspace))))

    def run(
        self,
        *words: str,
        input: bytes = b"",  # noqa: A002  same name as in subprocess
        check: bool = True,
        extra: Mapping[str, str] | None = None,
        settings: tuple[tuple[str, str], ...] = (),
        timeout_s: float = LOCAL_S,
        target: str = "",
    ) -> Completed:
        """Run ``git *words``.

        Args:
            words: subcommand and arguments.
            input: its standard input.
            check: whether an exit code other than 0 is an error.
            extra: more environment variables.
            settings: more configuration for this call, pairs of key and value.
            timeout_s: seconds until it is killed.
            target: the remote and the refs, shown when debugging.

        Raises:
            ProcessError: see `process.run`.
        """
        every = (*self._settings, *settings)
        environment = {**self._environment, "GIT_CONFIG_COUNT": str(len(every))}
        for number, (key, value) in enumerate(every):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return process.run(
            ["git", *words],
            cwd=self._workspace,
            environment={**environment, **(extra or {})},
            input=input,
            timeout_s=timeout_s,
            check=check,
            name=f"git {words[0]}",
            target=target,
            redact=self.redact,
        )

    def text(self, *words: str, input: bytes = b"") -> str:  # noqa: A002  as above
        """Run ``git *words`` and return its output without the final newline."""
        return self.run(*words, input=input).stdout.removesuffix("\n")

    def credentials(self, url: str) -> tuple[tuple[str, str], ...]:
        """Return the configuration that sends the token to *url*, and to no other URL.

        A header that actions/checkout configured would override the token
        (customerio/customerio-ios#1044). The most specific URL wins, so ours is the complete one,
        and an empty value first removes the earlier headers.
        """
        if not self._token or not _is_safe(url):
            return ()
        own = credential_hosts.is_same_host(url, self._server) or _is_local(url)
        if self._server and not own:  # GitHub's token is for GitHub, whatever the remote is
            return ()
        key = f"http.{without_credentials(url)}.extraHeader"
        return (
            ("credential.helper", ""),
            ("http.followRedirects", "false"),  # curl would send the header along
            (key, ""),
            (key, f"Authorization: Basic {self._secret}"),
        )

    def redact(self, text: str) -> str:
        """Return *text* without the token and without user names and passwords in URLs."""
        if self._token:
            text = text.replace(self._token, "***").replace(self._secret, "***")
        return _USER_INFO.sub("***", text)


def without_credentials(url: str) -> str:
    """Return *url* without user and password; an ssh address keeps its user, which is no secret."""
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    user, _, host = parts.netloc.rpartition("@")
    kept = f"{user.partition(':')[0]}@{host}" if parts.scheme == "ssh" else host
    return parts._replace(netloc=kept).geturl()


def _is_safe(url: str) -> bool:
    return urlsplit(url).scheme == "https" or _is_local(url)


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and parts.hostname in _LOOPBACK


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name in _KEPT
    }
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",  # empty: no program is started either
        "GIT_OPTIONAL_LOCKS": "0",  # reading must not rewrite the index
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "LC_ALL": "C",  # its messages are parsed
        "LANGUAGE": "",
    }


def _root(workspace: Path) -> Path:
    """Return the folder that git will use as the repository, found as git does."""
    start = workspace.resolve()
    return next((it for it in (start, *start.parents) if (it / ".git").exists()), start)
