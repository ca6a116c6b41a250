"""The regions in which the sandbox accepts new resources."""

from __future__ import annotations

from typing import Final

NAMES: Final = (
    "East US",
    "East US 2",
    "Central US",
    "West US 2",
    "West US 3",
    "North Europe",
    "West Europe",
    "UK South",
    "France Central",
    "Germany West Central",
    "Sweden Central",
    "Southeast Asia",
    "Australia East",
    "Japan East",
)


def short(location: str) -> str:
    """Return a region as it is in addresses, such as ``eastus``."""
    return location.lower().replace(" ", "")


def known(location: str) -> str | None:
    """Return a region's display name, or None if there is no such region."""
    return next((name for name in NAMES if short(name) == short(location)), None)
