"""Start the package from the action's own checkout, not from the user's workspace."""

import os
import signal
import sys
from pathlib import Path

# Nothing is changed before the command installs its signal handlers, so just exit.
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, lambda number, _frame: os._exit(128 + number))

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from deploy_action.cli import main  # noqa: E402  handlers first

main(prog_name="deploy-action")
