"""The checks of `validate` that need no network: settings, manifest, Dockerfile, checkout, job."""

# ruff: noqa: PLC0415  a check imports what it uses

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from deploy_action.core.amount import amount
from deploy_action.core.plan_schedule import schedule_for
from deploy_action.core.settings.choices import CacheVia, CommitBy
from deploy_action.core.validation import Check, Passed, run_check
from deploy_action.errors import PreflightError

if TYPE_CHECKING:
    from deploy_action.services import Services

# Events whose jobs validate a change before it reaches the branch that is deployed.
PULL_REQUEST_EVENTS = {"pull_request", "pull_request_target", "merge_group"}


def offline_checks(services: Services) -> Iterator[Check]:
    """Yield the result of every check that applies to these settings."""
    settings = services.settings
    checks: list[tuple[str, Callable[[Services], Passed]]] = [("settings", _settings)]
    if settings.cache_url and settings.cache_via is CacheVia.REDIS:
        checks.append(("cache settings", _cache))
    if settings.builds_image:
        checks += [("Dockerfile", _dockerfile), ("build secrets", _build_secrets)]
    if settings.manifest:
        checks.append(("manifest", _manifest))
    checks += [("checkout", _checkout), ("job permissions", _job)]
    if settings.notifications:
        checks.append(("notifications", _notifications))
    if settings.app_insights.is_set:
        checks.append(("Application Insights", _app_insights))
    for name, check in checks:
        yield from run_check(name, lambda check=check: check(services))  # type: ignore[misc]


def is_pull_request(services: Services) -> bool:
    """Whether the job validates a change that is not on its branch yet."""
    return services.environment.get("GITHUB_EVENT_NAME", "") in PULL_REQUEST_EVENTS


def _settings(services: Services) -> Passed:
    settings = services.settings
    schedule, longest_s = schedule_for(settings)
    steps = ", ".join(f"{weight} %" for weight in (*schedule.steps, 100))
    return Passed(
        f"environment {settings.environment}, app {settings.app}; steps {steps}; "
        f"at most {longest_s / 60:.0f} min"
    )


def _cache(services: Services) -> Passed:
    from deploy_action.core.cache.connection import parse
    from deploy_action.services.cache import cache_file

    settings = services.settings
    if settings.cache_ca_file:
        cache_file(services.runner.workspace, settings.cache_ca_file)
    if settings.cache_url.startswith("keyvault:"):
        return Passed("cache-url is read from a key vault")
    target = parse(settings.cache_url)
    services.secret(target.password)
    return Passed(amount(len(settings.cache_patterns), "pattern"))


def _notifications(services: Services) -> Passed:
    """Check that the URL and the secret of each notification are known; send nothing."""
    from deploy_action.core.notification import VAULT
    from deploy_action.services.notifications import target_problem

    targets, warnings = [], []
    for item in services.settings.notifications:
        events = ", ".join(sorted(event.value for event in item.events))
        place = "URL in a key vault" if VAULT.fullmatch(item.url) else item.host
        if problem := target_problem(item):
            warnings.append((f"Nothing can be sent to {item.name}: {problem}.", ""))
        else:
            targets.append(f"{item.channel.value} at {place} ({events})")
    return Passed("; ".join(targets), warnings)


def _app_insights(services: Services) -> Passed:
    """Check the connection string, unless it is in a vault; send nothing."""
    from deploy_action.core.notification import VAULT
    from deploy_action.services.app_insights import make_marker

    target = services.settings.app_insights
    if target.connection_string and not VAULT.fullmatch(target.connection_string):
        try:
            make_marker(services).connection(None)
        except ValueError as error:
            return Passed("", [(f"Events cannot be sent: {error}.", "")])
    annotated = f"annotations in '{target.name}'" if target.resource else ""
    events = "one event per run" if target.connection_string else ""
    return Passed(", ".join(part for part in (annotated, events) if part))


def _dockerfile(services: Services) -> Passed:
    from deploy_action.adapters.images.ignore_file import IgnoreRules
    from deploy_action.services.images import build_context

    settings = services.settings
    context = build_context(services.runner, settings.context, settings.dockerfile)
    IgnoreRules(context.ignore_file())
    has_base = any(
        line.strip().upper().startswith("FROM ")
        for line in context.dockerfile.read_text("utf-8", "replace").splitlines()
    )
    shown = context.dockerfile.relative_to(services.runner.checkout).as_posix()
    if not has_base:
        raise PreflightError(
            f"'{shown}' has no FROM instruction.",
            hint="Set dockerfile to the path of a Dockerfile.",
        )
    return Passed(f"{shown} and its ignore file")


def _build_secrets(services: Services) -> Passed:
    from deploy_action.services.images import build_secrets

    names = ", ".join(secret.id for secret in build_secrets(services))
    return Passed(names or "none")


def _manifest(services: Services) -> Passed:
    versioning = services.versioning
    if versioning is None:
        return Passed("none")
    bump = versioning.preview()
    versioning.check_allowed_list(bump, services.record)
    warnings = [(note.text, "") for note in bump.warnings if not note.usual]
    warnings += [
        (f"url-origins: no URL of the manifest is on '{text}'.", "Correct or remove it.")
        for text in bump.unused_origins
    ]
    warnings += [
        (f"bump-when-changed: '{pattern}' matches no file of the checkout.", "Correct the pattern.")
        for pattern in versioning.addin.unmatched_patterns()
    ]
    return Passed(f"version {bump.old}, the next one is {bump.new}", warnings)


def _checkout(services: Services) -> Passed:
    head = services.git.head()
    run, disagreement = services.checked_out
    if services.versioning:
        services.versioning.check_committed()
    at = f"{head.commit[:10]} on {run.branch or 'no branch'}"
    if is_pull_request(services):
        return Passed(f"{at}, a pull request")
    warnings = [(disagreement, "")] if disagreement else []
    publishes = services.versioning and services.settings.commit is not CommitBy.NONE
    if publishes and not run.branch:
        remedy = "Check out a branch (input ref of actions/checkout), or set commit to none."
        warnings.append(
            ("The checkout is not on a branch, so the version commit cannot be published.", remedy)
        )
    return Passed(at, warnings)


def _job(services: Services) -> Passed:
    """Check what the job's environment shows of the workflow's ``permissions``."""
    settings, env = services.settings, services.environment
    if not services.runner.on_github:
        return Passed("not checked outside GitHub Actions")
    warnings = []
    if settings.client_id and not env.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
        text = (
            "The job is not allowed to request an OIDC token, which the sign-in with client-id "
            "needs."
        )
        if not is_pull_request(services):
            raise PreflightError(text, hint="Grant the job the permission id-token: write.")
        warnings.append((text, "Deployments need the job permission id-token: write."))
    if settings.comment and not settings.git_token:
        text = "comment: true requires git-token."
        warnings.append((text, "Set git-token, and grant the job pull-requests: write."))
    by_api = settings.commit in {CommitBy.API, CommitBy.PULL_REQUEST}
    if settings.manifest and by_api and not settings.git_token:
        text = f"commit: {settings.commit.value} requires git-token."
        warnings.append((text, "Set git-token, and grant the job contents: write."))
    return Passed("id-token and git-token checked", warnings)
