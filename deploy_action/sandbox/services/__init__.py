"""Real servers beside the local Azure: `RedisServer(directory)`, `GitRemote(directory)`."""
