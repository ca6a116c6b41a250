"""All state of the local Azure and its transitions; no HTTP."""

from deploy_action.sandbox.world.clock import Clock
from deploy_action.sandbox.world.model import App, Environment, Operation, Revision
from deploy_action.sandbox.world.refusals import Problem, Refused
from deploy_action.sandbox.world.world import DOOM, World

__all__ = [
    "DOOM",
    "App",
    "Clock",
    "Environment",
    "Operation",
    "Problem",
    "Refused",
    "Revision",
    "World",
]
