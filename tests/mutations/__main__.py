"""Apply each mutation to a copy of the repository and require that one of its tests fails.

Usage: python -m tests.mutations [--jobs N] [TEXT...]; a TEXT selects the mutations whose area or
name contains it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from queue import SimpleQueue

from tests.mutations.catalogue import ROOT, Mutation, catalogue

LIMIT_S = 1_800  # a mutation may let a test wait for ever
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-n", "0", "--no-header", "--tb=line")


class Result(Enum):
    """What became of a mutation."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    UNUSABLE = "UNUSABLE"


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2, help="how many run at a time")
    parser.add_argument("text", nargs="*", help="selects mutations by area or name")
    options = parser.parse_args()
    chosen = [
        mutation
        for mutation in catalogue()
        if not options.text
        or any(text in f"{mutation.area} {mutation.name}" for text in options.text)
    ]
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copies.put(_copied(Path(folder) / str(number)))
        with ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(lambda item: _judged(item, copies), chosen))
    caught = results.count(Result.CAUGHT)
    print(f"{caught} of {len(results)} mutations were caught")
    return 0 if caught == len(results) else 1


def _copied(target: Path) -> Path:
    """Copy what git knows of, and new files, to *target*."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
    return target


def _judged(mutation: Mutation, copies: SimpleQueue[Path]) -> Result:
    """Apply *mutation* to a free copy, run its tests and report."""
    copy = copies.get()
    began = time.monotonic()
    file = copy / mutation.file
    before = file.read_text("utf-8")
    try:
        file.write_text(mutation.applied(before), "utf-8")
        result, why = _tested(copy, mutation.tests)
    except ValueError as error:
        result, why = Result.UNUSABLE, str(error)
    finally:
        file.write_text(before, "utf-8")
        copies.put(copy)
    took = f"{time.monotonic() - began:.0f} s"
    print(f"{result.value:9} {mutation.area}: {mutation.name} ({took}; {why})", flush=True)
    return result


def _tested(copy: Path, tests: Iterable[str]) -> tuple[Result, str]:
    """Run the tests; return what became of the mutation, and the test that noticed it."""
    command = [sys.executable, "-m", "pytest", *OPTIONS, *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, check=False, capture_output=True, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return Result.UNUSABLE, f"no end within {LIMIT_S} s"
    lines = done.stdout.splitlines()
    failed = next((line for line in lines if line.startswith(("FAILED", "ERROR"))), "")
    if done.returncode == 0:
        return Result.SURVIVED, " ".join(tests)
    if done.returncode == 1 and failed:
        return Result.CAUGHT, failed.partition(" - ")[0]
    return Result.UNUSABLE, " ".join(lines[-3:])[-300:]


if __name__ == "__main__":
    raise SystemExit(main())
