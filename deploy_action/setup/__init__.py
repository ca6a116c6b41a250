"""What runs before any dependency is installed: standard library only."""
