"""Finds one likely cause and one hint in what the platform and the container logged.

The platform's own severity is ignored: it logs a refused image pull and a wrong port as normal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

MOST_LOG_LINES = 20
_LONGEST_LINE = 300
# Terminal colours, and every control character but the tab.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemEvent:
    """One event that the platform recorded about a revision; *at_s* in seconds since 1970."""

    at_s: float
    reason: str
    text: str
    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is known about a candidate that failed.

    Args:
        error: why the deployment stopped, with Azure's own text where an operation failed.
        state: the revision's states and details as Azure reports them.
        events: the platform's events about it, oldest first.
        log: the last lines that its container wrote.
        missing_secrets: secrets that its variables name, but that the app does not have.
    """

    error: str = ""
    state: str = ""
    events: tuple[SystemEvent, ...] = ()
    log: tuple[str, ...] = ()
    missing_secrets: tuple[str, ...] = ()

    @property
    def texts(self) -> Iterator[str]:
        """Everything but the container's own log, newest event first."""
        yield self.error
        yield self.state
        for event in reversed(self.events):
            yield f"{event.reason}: {event.text}"

    def find(self, pattern: str) -> re.Match[str] | None:
        """Return the first match of *pattern* outside the container's log; case is ignored."""
        matches = (re.search(pattern, text, re.IGNORECASE) for text in self.texts)
        return next((match for match in matches if match), None)

    def has_reason(self, *reasons: str) -> bool:
        """Whether the platform recorded one of *reasons*."""
        return any(event.reason in reasons for event in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A likely cause, and what to do about it; one sentence each."""

    cause: str
    hint: str


def likely_cause(evidence: Evidence) -> Cause | None:
    """Return the first cause that the evidence supports; None where nothing points to one."""
    return next((cause for rule in _RULES if (cause := rule(evidence))), None)


def tidy(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the last lines of a container's log without control characters, each cut in length."""
    clean = (_CONTROL.sub("", line).rstrip()[:_LONGEST_LINE] for line in lines)
    return tuple(line for line in clean if line)[-MOST_LOG_LINES:]


def _firewall(evidence: Evidence) -> Cause | None:
    match = evidence.find(r"client with IP '?([0-9a-f.:]+)'? is not allowed access")
    return match and Cause(
        cause=f"The registry's firewall refuses the app's address {match[1]}.",
        hint="Allow the app's outbound address in the registry's firewall, or use a private "
        "endpoint.",
    )


def _image_missing(evidence: Evidence) -> Cause | None:
    if not evidence.find(r"MANIFEST_UNKNOWN|ImagePullFailure|ImagePullBackOff|ErrImagePull"):
        return None
    return Cause(
        cause="The image or its tag does not exist in the registry, or the app's identity is not "
        "allowed to see it.",
        hint="Check that the image exists, and that the app's identity has the role AcrPull on the "
        "registry.",
    )


def _image_forbidden(evidence: Evidence) -> Cause | None:
    if not evidence.find(r"ImagePullUnauthorized|UNAUTHORIZED\b"):
        return None
    return Cause(
        cause="The app's identity is not allowed to pull the image.",
        hint="Assign the app's identity the role AcrPull on the registry, and check the registry's "
        "firewall.",
    )


def _wrong_port(evidence: Evidence) -> Cause | None:
    match = evidence.find(r"TargetPort (\d+) does not match the listening port (\d+)")
    return match and Cause(
        cause=f"The app listens on port {match[2]}, but ingress expects port {match[1]}.",
        hint=f"Set the ingress target port to {match[2]}, or let the app listen on {match[1]}.",
    )


def _out_of_memory(evidence: Evidence) -> Cause | None:
    killed = evidence.find(r"OOMKilled|exit code '?137\b")
    return killed and Cause(
        cause="The container was killed (exit code 137), most likely because it ran out of memory.",
        hint="Increase the container's CPU and memory to the next larger size.",
    )


def _wrong_command(evidence: Evidence) -> Cause | None:
    if evidence.find(r"exec format error") or any("exec format error" in x for x in evidence.log):
        return Cause(
            cause="The image was built for a different CPU architecture.",
            hint="Build it for linux/amd64 (docker build --platform linux/amd64).",
        )
    match = evidence.find(r'(?:exec: )?"([^"]{1,80})": executable file not found')
    if match or evidence.find(r"executable file not found|ContainerCreateFailure"):
        named = f" '{match[1]}'" if match else ""
        return Cause(
            cause=f"The container's start command{named} does not exist in the image.",
            hint="Check the image's ENTRYPOINT and CMD and the container's command and args.",
        )
    return None


def _own_error(evidence: Evidence) -> Cause | None:
    match = evidence.find(r"(?:Terminated|Exited).{0,300}exit code '?(\d+)'?")
    crashing = match or evidence.find(r"container crashing")
    if not crashing or (match and match[1] == "143"):
        return None
    error = _logged_error(evidence.log)
    exited = f"The program exited with code {match[1]}" if match else "The program keeps exiting"
    return Cause(
        cause=f"{exited}: {error}." if error else f"{exited}.",
        hint=_remedy(error) if error else "See the last lines of the container's log.",
    )


def _probe(evidence: Evidence) -> Cause | None:
    if re.search(r"\bHealthy\b", evidence.state):
        return None  # probes fail during every start
    failures = [event.text for event in evidence.events if event.reason == "ProbeFailed"]
    answered = (re.search(r"Probe of (\w+) failed with status code: (\d+)", x) for x in failures)
    last = next((match for match in reversed(list(answered)) if match), None)
    if last is None:
        return None
    kind, status = last[1].lower(), int(last[2])
    if status < 100:  # no HTTP status: nothing answered at all
        return Cause(
            cause=f"Nothing answers the {kind} probe: the app starts too slowly, or listens on "
            "another port or on 127.0.0.1 only.",
            hint="Let the app listen on 0.0.0.0 and the probe's port, or allow the startup probe "
            "more time.",
        )
    if status == 404:
        return Cause(
            cause=f"The path of the {kind} probe does not exist in the app (404).",
            hint="Correct the probe's path.",
        )
    return Cause(
        cause=f"The app returns {status} for its {kind} probe.",
        hint="Check the app's dependencies, and the last lines of its log.",
    )


def _key_vault(evidence: Evidence) -> Cause | None:
    if not evidence.find(
        r"Key ?Vault\S*(?: |.{0,200})fail|ForbiddenByRbac|Assignment: \(not found"
    ):
        return None
    return Cause(
        cause="A secret could not be read from Key Vault.",
        hint="Assign the app's identity the role Key Vault Secrets User on the vault; a new role "
        "takes up to 10 minutes.",
    )


def _no_capacity(evidence: Evidence) -> Cause | None:
    if not evidence.find(r"operation expired") or evidence.has_reason("AssigningReplica"):
        return None
    return Cause(
        cause="No replica was scheduled, probably because the environment or the region has no "
        "cores left.",
        hint="Check the quota: az containerapp env list-usages.",
    )


def _error_in_log(evidence: Evidence) -> Cause | None:
    error = _logged_error(evidence.log)
    return (
        Cause(cause=f"The app's log ends with an error: {error}.", hint=_remedy(error))
        if error
        else None
    )


def _init_container(evidence: Evidence) -> Cause | None:
    if evidence.events or not re.search(r"\bProvisioning\b", evidence.state):
        return None
    return Cause(
        cause="The revision is still provisioning: an init container that does not exit blocks it.",
        hint="Check that every init container exits with code 0.",
    )


def _missing_secret(evidence: Evidence) -> Cause | None:
    if not evidence.missing_secrets:
        return None
    names = ", ".join(f"'{name}'" for name in evidence.missing_secrets)
    return Cause(
        cause=f"Environment variables are empty, because the app has no secret {names}.",
        hint="Compare the names with 'az containerapp secret list'; they are case-sensitive.",
    )


def _scaled_to_zero(evidence: Evidence) -> Cause | None:
    if evidence.events or not re.search(r"\bScaledToZero\b", evidence.state):
        return None
    return Cause(
        cause="The revision has no replica: its minimum is 0, and no request has started one.",
        hint="Send it a request, or set the minimum number of replicas to 1.",
    )


_RULES: tuple[Callable[[Evidence], Cause | None], ...] = (
    _firewall,
    _image_forbidden,
    _image_missing,
    _wrong_port,
    _out_of_memory,
    _wrong_command,
    _missing_secret,
    _own_error,
    _probe,
    _key_vault,
    _no_capacity,
    _error_in_log,
    _init_container,
    _scaled_to_zero,
)


def _logged_error(log: Iterable[str]) -> str:
    """Return the last line that names an exception, without a dot at its end; or nothing."""
    named = re.compile(r"^\s*((?:[\w.]*(?:Error|Exception)\b|Error: |panic: ).{0,160})")
    errors = [match[1] for line in tidy(log) if (match := named.match(line))]
    return errors[-1].strip().rstrip(".") if errors else ""


def _remedy(error: str) -> str:
    if re.search(r"ModuleNotFoundError|ImportError|Cannot find module", error):
        return "Add the missing package to the image."
    if error.startswith("KeyError"):
        return "Set the missing environment variable or secret on the app."
    return "See the last lines of the container's log."
