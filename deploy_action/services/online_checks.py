"""The checks of `validate` with ``full: true``; they change nothing but one key of the cache."""

# ruff: noqa: PLC0415  a check imports what it uses

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from deploy_action.adapters import permissions as rights
from deploy_action.adapters.credentials import ARM_SCOPE
from deploy_action.adapters.permissions import Action, Permission, Verdict
from deploy_action.core.app import serving
from deploy_action.core.journal import JOURNAL_TAGS, MOST_TAGS
from deploy_action.core.notification import VAULT, Notification
from deploy_action.core.observed import Observed, check_journal
from deploy_action.core.settings.choices import AnalysisMode, BuilderKind, CacheVia, CommitBy
from deploy_action.core.single_mode import require_supported_mode
from deploy_action.core.validation import Check, CheckState, Passed, run_check
from deploy_action.errors import DeployError, PreflightError
from deploy_action.rollout.observe import observe_first
from deploy_action.services.offline_checks import is_pull_request

if TYPE_CHECKING:
    from deploy_action.services import Services

_LOCKS = "2020-05-01"
_TEST_TTL_S = 60


def online_checks(services: Services) -> Iterator[Check]:
    """Yield the result of every check that applies; without a sign-in only that one."""
    signed_in = run_check("sign-in", lambda: _sign_in(services))
    yield from signed_in
    if signed_in[0].state is not CheckState.PASSED:
        return
    unread = services

    def vault() -> Passed:
        nonlocal services
        services = unread.with_vault_secrets()
        return Passed("not used" if services is unread else "every secret was read")

    yield from run_check("key vault", vault)
    if is_pull_request(services):  # its branch is not the one that gets the version commit
        services = replace(services, settings=replace(services.settings, commit=CommitBy.NONE))
    yield from _Online(services).results()


def _sign_in(services: Services) -> Passed:
    services.signed_in.token(ARM_SCOPE)
    return Passed(services.signed_in.how)


@dataclass(frozen=True)
class _Online:
    services: Services

    def results(self) -> Iterator[Check]:
        """Yield the results; the plan of a deployment is made last, if nothing failed before."""
        settings, completed = self.services.settings, list[Check]()
        required = settings.cache_required
        checks: list[tuple[str, Callable[[], Passed], bool]] = [("app", self._app, True)]
        if not self._creates:
            checks += [
                ("deployment lock", self._lock, True),
                ("resource locks", self._resource_locks, True),
                ("health path", self._health, True),
            ]
        checks.append(("registry and builder", self._images, True))
        if settings.cache_url and settings.cache_via is CacheVia.REDIS:
            checks.append(("cache", self._cache, required))
        if any(VAULT.fullmatch(text) for item in settings.notifications for text in _texts(item)):
            checks.append(("notification secrets", self._notifications, True))
        if self.services.versioning and settings.commit is not CommitBy.NONE:
            checks.append(("publishing", self._publishing, True))
        results = self._permissions()
        completed += results
        yield from results
        for name, check, needed in checks:
            results = run_check(name, check, required=needed)
            completed += results
            yield from results
        if not any(check.state is CheckState.FAILED for check in completed):
            yield from run_check("plan", self._plan)

    @cached_property
    def _creates(self) -> bool:
        """Whether a deployment would create the app."""
        return self.services.settings.create and not self.services.app.creation.exists()

    @cached_property
    def _observed(self) -> Observed:
        return observe_first(self.services.app, self.services.run)

    def _app(self) -> Passed:
        if self._creates:
            setting = self.services.settings.managed_environment
            environment, _ = self.services.app.creation.environment(setting)
            return Passed(f"does not exist and will be created in {environment}")
        app = self._observed.app
        require_supported_mode(app, self.services.settings)
        warnings = []
        if len(app.tags) + JOURNAL_TAGS > MOST_TAGS:
            text = f"The app has {len(app.tags)} of {MOST_TAGS} tags; a deployment adds up to "
            warnings.append((f"{text}{JOURNAL_TAGS} while it runs.", "Remove some tags."))
        stable = serving(app, self._observed.revisions)
        serves = stable.name if stable else "no revision"
        return Passed(f"{app.mode} revision mode, serving: {serves}", warnings)

    def _lock(self) -> Passed:
        interrupted_run = check_journal(self._observed)
        if interrupted_run is None:
            return Passed("free")
        text = f"Run {interrupted_run.run} was interrupted or did not complete all its work."
        return Passed(
            "",
            [
                (
                    text,
                    "The next deployment recovers from it. To recover now, run the command repair.",
                )
            ],
        )

    def _resource_locks(self) -> Passed:
        path = f"{self.services.app_id}/providers/Microsoft.Authorization/locks"
        response = self.services.resource_manager.get(path, {"api-version": _LOCKS})
        if not response.ok:
            return Passed("", [(f"Unknown: {response.problem}", "")])
        levels = [
            str((item.get("properties") or {}).get("level") or "")
            for item in response.body.get("value") or []
            if isinstance(item, dict)
        ]
        if "ReadOnly" in levels:
            raise PreflightError(
                "A ReadOnly lock on the app, its resource group or its subscription blocks every "
                "change.",
                hint="Find it with 'az lock list' and remove it with 'az lock delete'.",
            )
        return Passed(", ".join(levels) or "none")

    def _health(self) -> Passed:
        observed = self._observed
        stable = serving(observed.app, observed.revisions)
        health_path = self.services.health_path
        health_path.detect(observed.app, stable)
        warning = self.services.gates.check_serving(observed.app, stable)
        path = "not requested" if health_path.unreachable else health_path.of(stable)
        return Passed(path, [(warning, "")] if warning else [])

    def _images(self) -> Passed:
        settings = self.services.settings
        if settings.candidate:
            return Passed(f"not used, because candidate is {settings.candidate}")
        self.services.images.check()
        return Passed(settings.image or f"{settings.registry}, builder {settings.builder.value}")

    def _cache(self) -> Passed:
        """Write, read and delete one key of our own."""
        cache = self.services.cache.cache
        if cache is None:
            return Passed("none")
        key = f"deploy-action:validate:{secrets.token_hex(8)}"
        cache.put(key, "test", _TEST_TTL_S)
        read = cache.get(key)
        removed = sum(item.removed for item in cache.clear((key,)).patterns)
        if read != "test" or not removed:
            raise PreflightError(
                "A key that was written could not be read and deleted.",
                hint="Allow the user of cache-url to read, scan and delete keys.",
            )
        return Passed("one key was written, read and deleted")

    def _notifications(self) -> Passed:
        """Read the secrets of notifications from their vaults; send nothing."""
        from deploy_action.services.notifications import make_notifier, target_problem

        notifier, warnings = make_notifier(self.services), []
        for item in notifier.notifications:
            try:
                problem = target_problem(notifier.resolved(item, self.services.signed_in))
            except DeployError as error:
                problem = str(error).rstrip(".")
            if problem:
                warnings.append((f"Nothing can be sent to {item.name}: {problem}.", ""))
        return Passed("" if warnings else "every secret was read", warnings)

    def _publishing(self) -> Passed:
        if self.services.versioning:
            self.services.versioning.check_publishing(self.services.record)
        return Passed(f"commit: {self.services.settings.commit.value}")

    def _plan(self) -> Passed:
        if self._creates:
            from deploy_action.services.creation import plan_creation

            return Passed(f"a deployment would create {plan_creation(self.services).revision}")
        plan = self.services.planner.plan()
        return Passed(
            f"a deployment would {'adopt' if plan.adopted else 'create'} {plan.candidate}"
        )

    # -- permissions ---------------------------------------------------------------------------

    def _permissions(self) -> list[Check]:
        services, settings = self.services, self.services.settings
        app = services.app_id
        if self._creates:  # it does not exist yet
            app = app.partition("/providers/")[0]
        results = self._checked("permissions on the app", app, rights.DEPLOY, required=True)
        results += self._checked("permissions for logs", app, rights.LOGS, required=False)
        if settings.analysis is not AnalysisMode.OFF:
            needed = settings.analysis is AnalysisMode.REQUIRED
            results += self._checked(
                "permissions for metrics", app, rights.METRICS, required=needed
            )
        if component := settings.app_insights.resource:
            name = "permissions on Application Insights"
            results += self._checked(name, component, rights.ANNOTATE, required=False)
        if settings.builds_image and settings.registry:
            results += self._registry_permissions()
        return results

    def _registry_permissions(self) -> list[Check]:
        """Report unknown permissions as a warning: trying is what "registry and builder" does."""
        name = "permissions on the registry"
        remote = self.services.settings.builder is BuilderKind.ACR
        try:
            scope = self._registry_id()
        except DeployError as error:
            detail = f"Unknown: {error.message}"
            return [Check(name=name, state=CheckState.WARNING, detail=detail, remedy=error.hint)]
        actions = rights.REMOTE_BUILD if remote else rights.PUSH
        return self._checked(name, scope, actions, required=remote)

    def _registry_id(self) -> str:
        from deploy_action.adapters.images.acr_resource import ArmClient, find_registry, group_path
        from deploy_action.adapters.images.registry import host_of
        from deploy_action.runtime.http import HttpClient

        session, settings = self.services.signed_in, self.services.settings
        group = settings.registry_resource_group
        return find_registry(
            ArmClient(session.arm_token, renew=session.renew, http=HttpClient()),
            host_of(settings.registry),
            (group_path(session.subscription, group or settings.resource_group),),
            search=not group,
        )

    def _checked(
        self, name: str, scope: str, actions: Sequence[Action], *, required: bool
    ) -> list[Check]:
        """Return one result for everything granted, and one for each other verdict and role."""
        decisions = self.services.permissions.check(scope, actions)
        results = []
        for verdict in (Verdict.LACKS, Verdict.UNKNOWN):
            by_remedy: dict[str, list[Permission]] = {}
            for item in decisions:
                if item.verdict is verdict:
                    by_remedy.setdefault(item.command, []).append(item)
            results += [
                _permission_result(name, items, verdict, required=required)
                for items in by_remedy.values()
            ]
        if results:
            return results
        return [
            Check(
                name=name,
                state=CheckState.PASSED,
                detail=f"all {len(decisions)} required permissions granted",
            )
        ]


def _texts(notification: Notification) -> tuple[str, str]:
    return notification.url, notification.secret


def _permission_result(
    name: str, items: Sequence[Permission], verdict: Verdict, *, required: bool
) -> Check:
    lacking = verdict is Verdict.LACKS
    actions = ", ".join(item.action.name for item in items)
    reason = f" ({items[0].reason})" if items[0].reason else ""
    role = f"Assign the role {items[0].role}: {items[0].command}" if items[0].command else ""
    return Check(
        name=name,
        state=CheckState.FAILED if lacking and required else CheckState.WARNING,
        detail=f"{verdict.value} {actions}{reason}",
        remedy=role,
    )
