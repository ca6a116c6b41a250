"""Git, through its own program: the checkout's state, one commit beside it, one push.

The user's index, work tree, refs, hooks and configuration are not changed on the way. The token is
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
