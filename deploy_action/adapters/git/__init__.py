"""Git, by its own program: what the checkout is, one commit made beside it, one careful push.

Nothing of the user's is touched on the way: not the index, the work tree, the refs, the hooks, nor
any configuration. The token travels in the environment of the one call that needs it.
"""

from deploy_action.adapters.git.errors import PublishError, Refusal
from deploy_action.adapters.git.repository import Git
from deploy_action.adapters.git.values import BOT, Checkout, Identity, Published, TreeFile

__all__ = ["BOT", "Checkout", "Git", "Identity", "PublishError", "Published", "Refusal", "TreeFile"]
