"""The app's Redis, wherever Azure has it: key or Entra, TLS or not, cluster or not."""

from deploy_action.adapters.cache.errors import CacheError
from deploy_action.adapters.cache.redis import Cache

__all__ = ["Cache", "CacheError"]
