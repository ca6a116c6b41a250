"""Where things are in this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "deploy_action/setup/entry.py"
SAMPLE = ROOT / "addin"
