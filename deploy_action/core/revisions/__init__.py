"""Revisions: what Azure says of one, which are kept, what a new one is made of."""
