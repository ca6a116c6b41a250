"""The cache: which keys a pattern matches, how to connect, what its figures mean."""
