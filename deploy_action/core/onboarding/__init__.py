"""Files and commands of `deploy-action init`: pure text, from the answers of the user."""
