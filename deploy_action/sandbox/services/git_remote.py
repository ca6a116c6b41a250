"""A bare git repository in place of the one on GitHub, to clone from and push to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy_action.sandbox.services.git import run_git

_AUTHOR: Final = "Sandbox <sandbox@localhost>"
_SETTINGS: Final = (
    # Git's maintenance would leave processes running after a push.
    ("gc.auto", "0"),
    ("receive.autogc", "false"),
    ("maintenance.auto", "false"),
    # GitHub allows partial clones and fetches of single commits, as checkout actions do.
    ("uploadpack.allowFilter", "true"),
    ("uploadpack.allowAnySHA1InWant", "true"),
)


class GitRemote:
    """A bare repository under *directory*; made by the first `seed`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path = directory / "remote.git"

    async def seed(
        self, files: Mapping[str, bytes | Path], message: str, branch: str = "main"
    ) -> str:
        """Commit *files* on top of *branch* (made if needed); return the commit.

        Args:
            files: by path in the repository: its bytes, or a file or folder to copy from.
            message: the commit's message.
            branch: the branch, also HEAD of a new repository.

        Raises:
            RuntimeError: git failed; the message has its output.
        """
        if not self.path.exists():
            await self._create(branch)
        parent = await self._head(branch)
        stream = b"".join(_fast_import(files, message, branch, parent))
        await self._git(["fast-import", "--quiet", "--date-format=now"], stream)
        return await self._head(branch)

    async def _create(self, branch: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        await self._git(
            ["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", "."],
            make=True,
        )
        with (self.path / "config").open("a", encoding="utf-8") as file:
            for name, value in _SETTINGS:
                section, _, key = name.partition(".")
                file.write(f"[{section}]\n\t{key} = {value}\n")

    async def _head(self, branch: str) -> str:
        """Return the branch's commit, or an empty text."""
        output = await self._git(["for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}"])
        return output.strip()

    async def _git(
        self, arguments: Sequence[str], stdin: bytes = b"", *, make: bool = False
    ) -> str:
        """Run git on the repository; raise an error with its output if it fails."""
        if make:
            self.path.mkdir()
        code, out, stderr = await run_git(self.path, *arguments, stdin=stdin)
        if code:
            raise RuntimeError(f"git {arguments[0]}: {stderr}")
        return out.decode()


def _fast_import(
    files: Mapping[str, bytes | Path], message: str, branch: str, parent: str
) -> Iterator[bytes]:
    """Write the stream that git fast-import reads: one commit."""
    yield f"commit refs/heads/{branch}\ncommitter {_AUTHOR} now\n".encode()
    yield _data(message.encode())
    if parent:
        yield f"from {parent}\n".encode()
    for path, content, executable in _flat(files):
        mode = "100755" if executable else "100644"
        yield f"M {mode} inline {_quoted(path)}\n".encode()
        yield _data(content)


def _flat(files: Mapping[str, bytes | Path]) -> Iterator[tuple[str, bytes, bool]]:
    """Yield path, bytes and whether it is executable, with folders expanded."""
    for path, source in files.items():
        if isinstance(source, bytes):
            yield path, source, False
        elif source.is_dir():
            for file in sorted(item for item in source.rglob("*") if item.is_file()):
                inner = file.relative_to(source).as_posix()
                name = inner if path in {"", "."} else f"{path.rstrip('/')}/{inner}"
                yield name, file.read_bytes(), os.access(file, os.X_OK)
        else:
            yield path, source.read_bytes(), os.access(source, os.X_OK)


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _quoted(path: str) -> str:
    """Quote a path as git does in its own listings."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
