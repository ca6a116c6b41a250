"""The app's Redis, wherever Azure has it: key or Entra, TLS or not, cluster or not."""

from deploy_action.adapters.cache.client import Cache
from deploy_action.adapters.cache.refusals import CacheError

__all__ = ["Cache", "CacheError"]
