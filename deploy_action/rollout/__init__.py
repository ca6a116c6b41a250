"""The building blocks of a rollout."""
