"""``make bench``: every bench_*.py beside this file, one after another, each prints its figures."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))


def main() -> None:
    """Run those named on the command line, or all."""
    selected = sys.argv[1:]
    for script in sorted(HERE.glob("bench_*.py")):
        if not selected or script.stem.removeprefix("bench_") in selected:
            print(f"\n== {script.stem.removeprefix('bench_')}", flush=True)
            runpy.run_path(str(script), run_name="__main__")


main()
