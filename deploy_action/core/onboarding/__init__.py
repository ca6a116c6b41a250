"""What `deploy-action init` writes and runs: pure text, from the answers of the user."""
