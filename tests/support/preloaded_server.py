"""Start runs of the action from a process that has its modules and libraries loaded.

Importing Azure's libraries takes longer than most deployments in the sandbox, and importing the
action's own modules takes a third of a run. This server imports both once; each run is a fork of
it, with environment, folder, output and arguments of its own, and executes the action's entry
script like `python -I` does. `tests/action` and `test_lazy_imports` run the action without it.
Usage: ``python -I preloaded_server.py SOCKET``.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

LIBRARIES = (
    "azure.core.pipeline.policies",
    "azure.identity",
    "azure.mgmt.appcontainers",
    "click",
    "defusedxml.ElementTree",
    "email.header",
    "msal",
    "redis",
    "requests",
    "yaml",
    # Imported late by the libraries above, by the standard library, or by one kind of run.
    "azure.core.pipeline.transport._bigger_block_size_http_adapters",
    "azure.core.pipeline.transport._requests_basic",
    "azure.core.rest._requests_basic",
    "encodings.utf_8_sig",
    "tarfile",
    "zoneinfo",
)
NOT_IN_RUNS = {"__main__", "sandbox", "setup"}


def main(path: str) -> None:
    """Serve requests until stdin closes, which happens when the tests end."""
    _preload()
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            with connection:
                data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 1)
                if os.fork() == 0:
                    server.close()
                    _supervise(connection, json.loads(data), descriptors[0])
                os.close(descriptors[0])


def _preload() -> None:
    """Import what runs use, and exempt it from garbage collection in each of them."""
    for library in LIBRARIES:
        importlib.import_module(library)
    root = Path(__file__).resolve().parents[2]
    sys.path.insert(0, str(root))
    for file in sorted((root / "deploy_action").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        if parts[1] not in NOT_IN_RUNS:
            importlib.import_module(".".join(parts).removesuffix(".__init__"))
    gc.collect()
    gc.freeze()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _supervise(connection: socket.socket, request: dict[str, Any], output: int) -> None:
    """Fork the run, report its process id, wait for it, report its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    run = os.fork()
    if run == 0:
        connection.close()
        _become(request, output)
    os.close(output)
    connection.sendall(f"{run}\n".encode())
    _, status = os.waitpid(run, 0)
    with contextlib.suppress(OSError):  # the client has disconnected
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(request: dict[str, Any], output: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = request["arguments"]
    code: Any = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001  as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main(sys.argv[1])
