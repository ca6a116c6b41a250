"""What happens in the local Azure, recorded and shown as a page."""

from deploy_action.sandbox.live.history import History
from deploy_action.sandbox.live.page import PAGE, kept_page
from deploy_action.sandbox.live.sampler import Sampler

__all__ = ["PAGE", "History", "Sampler", "kept_page"]
