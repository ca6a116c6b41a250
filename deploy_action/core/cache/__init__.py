"""The cache: which keys a pattern matches, how to connect, and its metrics."""
