"""Setup of the action before any dependency is installed: standard library only."""
