"""Installation time of the action's packages without a cache.

The baseline is what most actions do: a virtual environment, and pip with the same lock. Neither
has a cache; both use the package index that is configured on this machine.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
PYTHON = os.path.realpath(sys.executable)  # the interpreter of this virtual environment
ROUNDS = 3


def timed(*commands: list[str], env: dict[str, str]) -> float:
    """Return the wall seconds of *commands*, one after another."""
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - began


def own(folder: Path) -> float:
    """Install with deploy_action/setup/bootstrap.py, on a machine without uv."""
    nothing = folder / "programs"
    nothing.mkdir()
    for name in ("sh", "env"):
        (nothing / name).symlink_to(str(shutil.which(name)))
    env = {**os.environ, "HOME": str(folder), "PATH": str(nothing)}
    script = str(ROOT / "deploy_action/setup/bootstrap.py")
    command = [PYTHON, "-I", script, "--into", str(folder / "made"), str(LOCK)]
    return timed(command, env=env)


def naive(folder: Path) -> float:
    """Install with venv and pip."""
    home = folder / "venv"
    env = {**os.environ, "HOME": str(folder), "PIP_NO_CACHE_DIR": "1"}
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes"]
    return timed([PYTHON, "-m", "venv", str(home)], [*pip, "-r", str(LOCK)], env=env)


def main() -> None:
    """Take turns, and print the ratio of the medians."""
    took: dict[str, list[float]] = {"own": [], "naive": []}
    for _ in range(ROUNDS):
        for name, way in (("own", own), ("naive", naive)):
            with tempfile.TemporaryDirectory() as folder:
                took[name].append(way(Path(folder)))
    ours, theirs = (statistics.median(took[name]) for name in ("own", "naive"))
    print(f"cold install of requirements.txt: {ours:.2f} s, venv and pip {theirs:.2f} s")
    print(f"ratio {ours / theirs:.2f} (median of {ROUNDS} each)")


if __name__ == "__main__":
    main()
