"""Runs git on a bare repository, independent of user and system settings."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path


async def run_git(
    repository: Path, *words: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """Run ``git *words``; return its exit code, its output, and its standard error.

    Args:
        repository: the bare repository; it exists.
        words: subcommand and arguments.
        stdin: its standard input.
        extra: more environment variables.

    Raises:
        RuntimeError: git is not installed.
    """
    git = shutil.which("git")
    if not git:
        raise RuntimeError("git is not installed")
    process = await asyncio.create_subprocess_exec(
        git,
        *words,
        cwd=repository,
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(repository),
            "GIT_DIR": str(repository),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C",
            **(extra or {}),
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, stderr = await process.communicate(stdin)
    return process.returncode or 0, out, stderr.decode("utf-8", "replace").strip()
