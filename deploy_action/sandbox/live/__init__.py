"""The live page: events of the local Azure, recorded and shown."""

from deploy_action.sandbox.live.history import History
from deploy_action.sandbox.live.page import kept_page, live_page
from deploy_action.sandbox.live.sampler import Sampler

__all__ = ["History", "Sampler", "kept_page", "live_page"]
