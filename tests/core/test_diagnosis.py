"""Which cause is named for what the platform and the container logged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.diagnosis import Evidence, SystemEvent, likely_cause, tidy

REVISION = "api--v2"


def evidence(*events: tuple[str, str], log: str = "", **more: Any) -> Evidence:
    recorded = tuple(
        SystemEvent(at_s=float(number), reason=reason, text=text, revision=REVISION)
        for number, (reason, text) in enumerate(events)
    )
    return replace(Evidence(events=recorded, log=tuple(log.splitlines())), **more)


STARTED = ("ContainerStarted", "Started container 'api'")
TRACEBACK = """Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
ModuleNotFoundError: No module named 'httpx'
"""


@pytest.mark.parametrize(
    ("evidence_found", "cause", "hint"),
    [
        (
            evidence(
                error="Field 'template.containers.main.image' is invalid with details: 'Invalid "
                'value: "reg/app:tag": GET https:: MANIFEST_UNKNOWN: manifest tagged by "latest"'
            ),
            "does not exist in the registry",
            "AcrPull",
        ),
        (
            evidence(error="… UNAUTHORIZED: authentication required, visit https://aka.ms/acr"),
            "not allowed to pull",
            "AcrPull",
        ),
        (
            evidence(
                ("PullingImage", "Pulling image"),
                ("ImagePullUnauthorized", "Container pull image failed with unauthorized error."),
            ),
            "not allowed to pull",
            "AcrPull",
        ),
        (
            evidence(
                (
                    "ContainerTerminated",
                    (
                        "Container 'api' was terminated with exit code '' and reason "
                        "'ImagePullFailure'. Image r.azurecr.io/x:1 not found in registry."
                    ),
                )
            ),
            "does not exist in the registry",
            "AcrPull",
        ),
        (
            evidence(error="DENIED: client with IP '20.1.2.3' is not allowed access."),
            "20.1.2.3",
            "firewall",
        ),
        (
            evidence(
                STARTED,
                (
                    "Pending:PortMismatch",
                    "The TargetPort 8081 does not match the listening port 80.",
                ),
            ),
            "listens on port 80, but ingress expects port 8081",
            "target port to 80",
        ),
        (
            evidence(
                STARTED,
                (
                    "ContainerTerminated",
                    (
                        "Container 'api' was terminated with exit code '137' and reason "
                        "'ProcessExited'"
                    ),
                ),
            ),
            "ran out of memory",
            "memory",
        ),
        (
            evidence(
                (
                    "ContainerTerminated",
                    (
                        "Container 'api' was terminated with exit code '1' and reason "
                        "'ContainerCreateFailure'. Status(exec: \"serve\": executable file not "
                        "found in $PATH"
                    ),
                )
            ),
            "start command 'serve' does not exist",
            "ENTRYPOINT",
        ),
        (
            evidence(STARTED, log="exec /usr/bin/python: exec format error"),
            "a different CPU architecture",
            "linux/amd64",
        ),
        (
            evidence(
                STARTED,
                (
                    "ContainerTerminated",
                    "Container 'api' was terminated with exit code '1' and reason 'ProcessExited'",
                ),
                log=TRACEBACK,
            ),
            "with code 1: ModuleNotFoundError: No module named 'httpx'",
            "missing package",
        ),
        (
            evidence(log="KeyError: 'DATABASE_URL'", state="1/1 Container crashing: api"),
            "keeps exiting: KeyError: 'DATABASE_URL'",
            "environment variable",
        ),
        (
            evidence(STARTED, ("ProbeFailed", "Probe of StartUp failed with status code: 1")),
            "Nothing answers the startup probe",
            "the startup probe more time",
        ),
        (
            evidence(
                ("ProbeFailed", "Probe of StartUp failed with status code: 1"),
                STARTED,
                ("ProbeFailed", "Probe of Readiness failed with status code: 404"),
            ),
            "path of the readiness probe does not exist",
            "path",
        ),
        (
            evidence(("ProbeFailed", "Probe of Readiness failed with status code: 500")),
            "returns 500 for its readiness probe",
            "log",
        ),
        (
            evidence(
                (
                    "SyncingSecretFromAzureKeyVaultForContainerAppFailed",
                    "Failed to sync secret 'x' from Azure Key Vault 'y': 403",
                )
            ),
            "Key Vault",
            "Key Vault Secrets User",
        ),
        (evidence(error="Operation expired."), "no cores left", "list-usages"),
        (
            evidence(state="Provisioning, None, Activating"),
            "init container",
            "exits with code 0",
        ),
        (
            replace(evidence(STARTED, log="KeyError: 'DATABASE_URL'"), missing_secrets=("db-url",)),
            "no secret 'db-url'",
            "az containerapp secret list",
        ),
        (
            evidence(state="Provisioned, Healthy, ScaledToZero"),
            "no replica: its minimum is 0",
            "Send it a request",
        ),
        (
            evidence(STARTED, log="INFO: up\n" + TRACEBACK, error="the health gate failed"),
            "log ends with an error: ModuleNotFoundError",
            "missing package",
        ),
    ],
)
def test_the_likely_cause(evidence_found: Evidence, cause: str, hint: str) -> None:
    named = likely_cause(evidence_found)
    assert named
    assert cause in named.cause
    assert hint in named.hint
    assert named.cause.endswith(".")
    assert named.hint.endswith(".")


def test_a_normal_stop_or_start_is_not_a_cause() -> None:
    quiet = evidence(
        ("AssigningReplica", "Replica 'x' has been scheduled to run on a node."),
        ("ProbeFailed", "Probe of StartUp failed with status code: 1"),
        STARTED,
        (
            "ContainerTerminated",
            "Container 'api' was terminated with exit code '' and reason 'ManuallyStopped'",
        ),
        error="The health check did not pass 5 times in a row within 300 s.",
        state="Provisioned, Healthy, Running",
        log="INFO: listening on 8000\nGET /health 500",
    )
    assert likely_cause(quiet) is None


def test_an_expired_operation_with_a_replica_is_not_a_lack_of_capacity() -> None:
    assert likely_cause(evidence(("AssigningReplica", "…"), error="Operation expired.")) is None


def test_log_lines_are_cut_and_stripped_of_control_characters() -> None:
    lines = tidy([f"line {number}" for number in range(100)])
    assert lines == tuple(f"line {number}" for number in range(80, 100))
    assert tidy(["\x1b[31mred\x1b[0m\x07 \u009b", "", "x" * 5000]) == ("red", "x" * 300)


@given(st.lists(st.text(max_size=400), max_size=30), st.text(max_size=400))
def test_nothing_that_is_logged_breaks_the_diagnosis(lines: list[str], text: str) -> None:
    result = likely_cause(evidence(("ProbeFailed", text), (text, text), log="\n".join(lines)))
    for line in tidy(lines):
        assert len(line) <= 300
        assert "\x1b" not in line
    assert result is None or result.hint
