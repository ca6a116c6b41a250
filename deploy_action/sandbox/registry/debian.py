"""Debian's docker-registry as a child of the sandbox."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

import aiohttp

from deploy_action.sandbox.services.children import Child, Leash, free_port, start_child

_PROGRAM: Final = "docker-registry"
_START_LIMIT_S: Final = 20.0
_CONFIG: Final = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http:
  addr: 127.0.0.1:{port}
  relativeurls: true
"""


class DebianRegistry:
    """A docker-registry (distribution 2.8) under *directory*, on loopback."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child: Child | None = None
        self._leash = Leash()

    @staticmethod
    def installed() -> bool:
        """Whether the program is there (Debian: package docker-registry)."""
        return shutil.which(_PROGRAM) is not None

    async def start(self) -> str:
        """Start it and wait until it answers; return ``http://127.0.0.1:port``.

        Raises:
            RuntimeError: it is not installed, or does not come up.
        """
        program = shutil.which(_PROGRAM)
        if not program:
            raise RuntimeError(f"{_PROGRAM} is not installed (Debian: apt-get install {_PROGRAM})")
        root = self._directory / "data"
        root.mkdir(parents=True, exist_ok=True)
        port = free_port()
        config = self._directory / "config.yml"
        config.write_text(_CONFIG.format(root=root, port=port.number), "utf-8")
        self._child = await start_child([program, "serve", str(config)], leash=self._leash)
        url = f"http://127.0.0.1:{port.number}"
        try:
            await self._ready(url)
        except BaseException:
            await self.close()
            raise
        finally:
            port.release()
        return url

    async def close(self) -> None:
        """Stop it."""
        if self._child:
            await self._child.stop(grace_s=2.0)
        await self._leash.close()

    async def _ready(self, url: str) -> None:
        """Poll until it responds or exits."""
        child = self._child
        async with aiohttp.ClientSession() as session, asyncio.timeout(_START_LIMIT_S):
            while True:
                if child is None or child.exit_code is not None:
                    last = "; ".join(list(child.lines)[-3:]) if child else ""
                    raise RuntimeError(f"{_PROGRAM} ended while starting: {last}")
                try:
                    async with session.get(f"{url}/v2/") as reply:
                        if reply.status == 200:
                            return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.02)
