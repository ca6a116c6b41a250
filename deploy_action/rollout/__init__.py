"""The parts of which a rollout is made, each longer than a sentence."""
