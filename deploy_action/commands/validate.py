"""Validate: find out what a deployment would refuse, without one. Changes nothing."""

from __future__ import annotations

from deploy_action.core.record import Record
from deploy_action.core.settings.schema import Settings
from deploy_action.core.validation import CheckState, failure
from deploy_action.services import Services
from deploy_action.services.offline_checks import offline_checks


def validate(settings: Settings, services: Services, record: Record) -> None:
    """Check settings and checkout, and with ``full`` everything that a deployment needs.

    Args:
        settings: what the user configured.
        services: the adapters; without ``full``, none is used that needs the network.
        record: receives the table of results.

    Raises:
        InputError: a check failed because of a setting or a file of the user.
        PreflightError: another check failed.
    """
    results = list(offline_checks(services))
    if settings.full:
        from deploy_action.services.online_checks import online_checks  # noqa: PLC0415  signs in

        results += online_checks(services)
    record.validated(tuple(results))
    for check in results:
        if check.state is CheckState.WARNING:
            text = f"{check.name}: {check.detail} {check.remedy}".rstrip()
            record.warn(text, place=check.location)
    if error := failure(results):
        raise error
    record.succeed("valid")
