"""Runs git: reads the checkout, makes one commit without touching it, and pushes it.

The user's index, work tree, refs, hooks and configuration do not change. The token is
passed in the environment of the call that needs it.
"""

from deploy_action.adapters.git.errors import PublishError, Refusal
from deploy_action.adapters.git.repository import Git
from deploy_action.adapters.git.values import BOT, Checkout, Head, Identity, Published, TreeFile

__all__ = [
    "BOT",
    "Checkout",
    "Git",
    "Head",
    "Identity",
    "PublishError",
    "Published",
    "Refusal",
    "TreeFile",
]
