"""A base image with this machine's Python and without a shell, for tests with a Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

_UNNEEDED = (
    *("__pycache__", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"),
    *("test", "tests", "tkinter", "turtledemo"),
)


def python_base(context: Path) -> Path:
    """Fill *context* with a Dockerfile, Python and the libraries that it needs; return it."""
    program = Path(sys.executable).resolve()
    root = context / "root"
    library = root / "python" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    unneeded = shutil.ignore_patterns(*_UNNEEDED)
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=unneeded)
    (root / "bin").mkdir()
    for name in ("python", "python3"):
        shutil.copy(program, root / "bin" / name)
    binaries = [program, *library.glob("lib-dynload/*.so")]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False)
    for library in set(re.findall(r"(/\S+) \(", listed.stdout)):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    lines = ["FROM scratch", "COPY root /", "ENV PATH=/bin PYTHONHOME=/python"]
    (context / "Dockerfile").write_text("\n".join(lines) + "\n", "utf-8")
    return context
