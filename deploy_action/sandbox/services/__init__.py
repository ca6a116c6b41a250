"""Real servers beside the local Azure: Redis, and a git remote."""

from deploy_action.sandbox.services.git_remote import GitRemote
from deploy_action.sandbox.services.redis_server import RedisServer

__all__ = ["GitRemote", "RedisServer"]
