"""Cache maintenance during a deployment: check, clear, write metadata, warm, measure.

A cache failure never stops a deployment unless the cache is required: it becomes a warning, and
after several failures in a row the circuit breaker skips the cache for a while.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from deploy_action.core.amount import amount
from deploy_action.core.cache.circuit_breaker import Breaker, State
from deploy_action.core.cache.stats import MatchingKeys
from deploy_action.core.health import Verdict
from deploy_action.core.record import Record
from deploy_action.core.run import Run
from deploy_action.core.settings.warmup import WarmupEntry, render
from deploy_action.errors import DeployError, InputError, PreflightError
from deploy_action.runtime.polling import in_utc, monotonic, now_utc

if TYPE_CHECKING:  # an app without a cache loads no Redis client
    from deploy_action.adapters.cache import Cache
    from deploy_action.adapters.cache.http_endpoint import CacheEndpoint
    from deploy_action.adapters.http_probe import HttpProbe
    from deploy_action.core.cache.stats import Metrics

CURRENT_KEY = "deployment:current"
HISTORY_KEY = "deployment:history"
HISTORY_KEPT = 20
_NO_METRICS = "The cache's metrics cannot be read"
Found = TypeVar("Found")


@dataclass(slots=True, kw_only=True)
class CacheMaintenance:
    """Maintains the cache; does nothing if there is no cache.

    Args:
        cache: None if this machine can reach no cache.
        endpoint: makes the app's cache endpoint, or None; called with two hosts, the
            app's and the serving revision's.
        patterns: the keys to clear.
        required: whether a cache that cannot be cleared stops the run.
        ttl_s: lifetime of the metadata, in seconds.
        warming: the entries to write after a promotion.
        warm_ttl_s: default lifetime of these entries, in seconds.
        cost_per_miss: for the estimate of what the cache saves.
        serving_host: the app's own host name, for an endpoint.
        probes: requests the pages to store from the promoted revision.
        record: receives every event.
        cancelled: whether the job is being cancelled, so that time-outs must be short.
    """

    cache: Cache | None
    patterns: tuple[str, ...]
    required: bool
    ttl_s: int
    record: Record
    probes: HttpProbe
    cancelled: Callable[[], bool]
    endpoint: Callable[[str, str], CacheEndpoint] | None = None
    warming: tuple[WarmupEntry, ...] = ()
    warm_ttl_s: float = 86_400.0
    cost_per_miss: float = 0.0
    serving_host: str = ""
    _breaker: Breaker = field(default_factory=Breaker)
    _before: Metrics | None = None
    _silent: bool = False
    _unreachable: str = ""
    _warned: set[str] = field(default_factory=set)

    def check(self, host: str) -> None:
        """Check before any change whether the cache can be reached.

        Args:
            host: the app's own, for an endpoint.

        Raises:
            InputError: a pattern would empty the database, and that was not allowed.
            PreflightError: it cannot be reached, and it is required.
        """
        self.serving_host = host
        if self.cache is None:
            return
        cache = self.cache
        try:
            cache.ping()
        except DeployError as error:
            self._breaker = self._breaker.failed(monotonic())
            if self.required:
                raise PreflightError(error.message, hint=error.hint) from None
            self._warned.add(error.message)
            self._unreachable = error.message
            self.record.warn(f"The cache cannot be used now: {error}")
            return
        try:
            self._before = cache.metrics()
        except DeployError as error:  # a role may allow clearing keys but not reading metrics
            self._silent = True
            self.record.say(f"{_NO_METRICS}: {error.message}")
        else:
            self.record.say(f"cache: {self._before.in_words(self.cost_per_miss)}")

    def last_deployed_version(self, app: str) -> tuple[str, str]:
        """Return the version that *app* last stored in the cache and its run, or empty texts."""
        if self.cache is None or self._breaker.failures:
            return "", ""
        try:
            stored = json.loads(self.cache.get(CURRENT_KEY) or "{}")
        except (DeployError, ValueError):
            return "", ""
        if not isinstance(stored, dict) or not str(stored.get("revision")).startswith(f"{app}--"):
            return "", ""  # several apps may share a cache
        return str(stored.get("version") or ""), str(stored.get("run") or "")

    def matching_keys(self) -> MatchingKeys | None:
        """Return how many keys a clearing would remove now; None if nothing is cleared."""
        if not self.patterns or (self.cache is None and self.endpoint is None):
            return None
        if self.cache is None:
            return MatchingKeys(unknown="the app's own endpoint clears them and does not count")
        if self._unreachable:
            return MatchingKeys(unknown=self._unreachable)
        try:
            return self.cache.count(self.patterns)
        except DeployError as error:
            return MatchingKeys(unknown=error.message)

    def clear(self, moment: str, serving: str = "") -> str:
        """Clear the patterns; return a description of the result.

        Args:
            moment: when in the deployment, for the record.
            serving: host of the revision that serves, for an endpoint that is called there.

        Raises:
            DeployError: it failed and the cache is required, or a pattern is not allowed.
        """
        way = self.cache or (
            self.endpoint(self.serving_host, serving or self.serving_host)
            if self.endpoint and self.serving_host
            else None
        )
        if way is None or not self.patterns:
            return "no cache is configured"
        if self.cancelled():
            way.use_shutdown_timeouts()
        done = self._tried(
            lambda: way.clear(self.patterns),
            f"The cache was not cleared ({moment})",
            required=self.required,
        )
        if done is None:
            return "not cleared, see the warning"
        removed = tuple((item.pattern, item.removed) for item in done.patterns)
        self.record.cleared(moment, removed, complete=done.complete)
        if not done.complete and self.required:
            raise DeployError(
                f"The cache was not cleared completely ({moment}): there are more matching keys "
                "than "
                "cache-timeout or cache-max-keys allow.",
                hint="Increase cache-timeout or cache-max-keys.",
            )
        for item in done.patterns:
            if not item.removed and moment == "before":
                self.record.say(f"  No key matches {item.pattern}")
            if item.samples:
                self.record.say(f"  {item.pattern}: for example {', '.join(item.samples)}")
        return f"cleared: {amount(sum(count for _, count in removed), 'key')} removed"

    def serving_since(self, revision: str) -> str:
        """Return since when *revision* serves, ISO 8601, as an earlier run stored it; or nothing.

        Only revisions that this tool moved the traffic to are stored, and only for a while.
        """
        if self.cache is None:
            return ""
        text = self._tried(partial(self.cache.get, CURRENT_KEY), "The metadata was not read")
        try:
            stored = json.loads(text or "{}")
        except ValueError:
            return ""
        if not isinstance(stored, dict) or stored.get("revision") != revision:
            return ""
        since = stored.get("since")
        return since if isinstance(since, str) else ""

    def write_metadata(self, facts: Mapping[str, str]) -> None:
        """Write the deployment's metadata under `deployment:current` and its history."""
        if self.cache is None:
            return
        known = "" if "since" in facts else self.serving_since(facts.get("revision", ""))
        written = {**facts, **({"since": known} if known else {})}
        cache, value = self.cache, json.dumps(written, sort_keys=True)

        def write() -> bool:
            cache.put(CURRENT_KEY, value, self.ttl_s)
            cache.push_history(HISTORY_KEY, value, HISTORY_KEPT, self.ttl_s)
            return True

        self._tried(write, "The deployment's metadata was not written to the cache")

    def warm(self, host: str, facts: Mapping[str, str]) -> None:
        """Write the keys and request the pages that `cache-warm` lists.

        Args:
            host: the promoted revision's.
            facts: the deployment's values by name.
        """
        stored = fetched = 0
        for entry in self.warming:
            text = render(entry.text, facts)
            if entry.path and not host:
                self.record.warn("A page for cache-warm was not fetched: the app has no ingress.")
                continue
            if entry.path:
                response, body = self.probes.body(host, render(entry.path, facts))
                if response.verdict is not Verdict.PASS:
                    self.record.warn(f"A page for cache-warm was not fetched: {response.evidence}.")
                    continue
                fetched += 1
                text = body.decode("utf-8", "replace")
            if entry.key and self.cache is not None:
                cache, key = self.cache, render(entry.key, facts)
                ttl_s = int(entry.ttl_s or self.warm_ttl_s)
                put = self._tried(lambda: _done(cache.put, key, text, ttl_s), "Not warmed")  # noqa: B023  called now
                stored += bool(put)
        if self.warming:
            self.record.say(
                f"warmed: {amount(fetched, 'page')} fetched, {amount(stored, 'key')} stored"
            )

    def measure(self) -> None:
        """Report the cache's metrics, and what the deployment changed."""
        if self.cache is None or self._silent:
            return
        now = self._tried(self.cache.metrics, _NO_METRICS)
        if now is None:
            return
        metrics = now.in_words(self.cost_per_miss)
        change = f"; since the start: {now.since(self._before)}" if self._before else ""
        breaker = self._breaker
        state = (
            f"; circuit breaker {breaker.state(monotonic()).value}, {breaker.refused} calls skipped"
        )
        self.record.set_facts(cache=f"{metrics}{change}{state}")
        self.record.say(f"cache: {metrics}{change}{state}")

    def _tried(
        self, act: Callable[[], Found], failing: str, *, required: bool = False
    ) -> Found | None:
        """Run *act* unless the breaker is open; a failure is reported, or raised if required."""
        if self._breaker.state(monotonic()) is State.OPEN and not required:
            self._breaker = self._breaker.refusing()
            self.record.say(f"{failing}: skipped after {self._breaker.failures} failures")
            return None
        try:
            result = act()
        except InputError:
            raise
        except DeployError as error:
            self._breaker = self._breaker.failed(monotonic())
            if required:
                raise
            # Warn only once about the same failure.
            report = self.record.say if error.message in self._warned else self.record.warn
            self._warned.add(error.message)
            report(f"{failing}: {error}")
            return None
        self._breaker = self._breaker.succeeded()
        return result


def _done(put: Callable[[str, str, int], None], key: str, text: str, ttl_s: int) -> bool:
    put(key, text, ttl_s)
    return True


def deployment_metadata(
    environment: str, run: Run, record: Record, *, revision: str
) -> dict[str, str]:
    """Return what the cache stores about a deployment.

    Args:
        environment: its name in the settings.
        run: the run that deployed.
        record: its record.
        revision: the revision that serves now.
    """
    age_s = record.split_age_s
    return {
        **record.facts,
        **({} if age_s is None else {"since": in_utc(now_utc() - age_s)}),
        "revision": revision,
        "commit": run.commit,
        "run": run.id,
        "environment": environment,
        "time": in_utc(now_utc()),
    }
