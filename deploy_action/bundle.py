"""What every command receives: one frozen bundle of adapters and the parts made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy_action.adapters.container_app import ContainerApp
from deploy_action.adapters.http_probe import HttpProbe
from deploy_action.core.run import Run
from deploy_action.rollout.cache import Refresh
from deploy_action.rollout.gates import Gates
from deploy_action.runtime.signals import SignalGuard


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The adapters of one run; `wiring` makes it.

    Args:
        run: this execution.
        app: the container app in Azure.
        probes: asks the app over its own addresses.
        gates: what a revision must answer before users reach it.
        refresh: the cache, or none.
        signals: the signal handlers.
        image_exists: whether an image, by its full name, is still in its registry; raises
            `DeployError` where that cannot be found out.
    """

    run: Run
    app: ContainerApp
    probes: HttpProbe
    gates: Gates
    refresh: Refresh
    signals: SignalGuard
    image_exists: Callable[[str], bool]
