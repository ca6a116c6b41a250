"""Start the package from the action's own checkout, whatever the user's workspace holds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy_action.cli import main

main(prog_name="deploy-action")
