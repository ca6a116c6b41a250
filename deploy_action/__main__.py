"""``python -m deploy_action``."""

from deploy_action.cli import main

main(prog_name="deploy-action")
