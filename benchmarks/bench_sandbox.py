"""The sandbox itself: startup time, memory, and throughput of its ingress.

The ingress runs on one core, the app and the users on the others. The baseline is the same app
without an ingress.
"""

import asyncio
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from deploy_action.sandbox.launch import ROOT, start, stop
from tests.support.scene import Scene

ROUNDS = 5
USERS, LOAD_S = 16, 5.0
APP = """
import asyncio, os

class App(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(App, "0.0.0.0", 8000)
    print("listening on", *server.sockets[0].getsockname(), flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


async def load(host: str, port: int, proxy: tuple[str, int] | None, ca: str) -> tuple[int, int]:
    """Send requests on keep-alive connections for some seconds; count responses and failures."""
    context = ssl.create_default_context(cafile=ca)
    end = time.monotonic() + LOAD_S
    question = f"GET /health/ready HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    good = bad = 0

    async def user() -> None:
        nonlocal good, bad
        reader, writer = await asyncio.open_connection(*(proxy or (host, port)))
        if proxy:
            writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(context, server_hostname=host)
        while time.monotonic() < end:
            writer.write(question)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(2)
            if head.startswith(b"HTTP/1.1 200") and body == b"ok":
                good += 1
            else:
                bad += 1
        writer.close()

    await asyncio.gather(*(user() for _ in range(USERS)))
    return good, bad


def busy(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Return the memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def starting(folder: Path) -> None:
    """Measure the time from the command until everything responds, Redis included."""
    took, empty = [], []
    for number in range(ROUNDS):
        home = folder / str(number)
        home.mkdir()
        began = time.perf_counter()
        process, _ = start(home)
        took.append(time.perf_counter() - began)
        stop(process)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import aiohttp, cryptography.x509"], check=True)
        empty.append(time.perf_counter() - began)
    print(f"ready after {statistics.median(took):.2f} s (longest {max(took):.2f})")
    ratio = statistics.median(took) / statistics.median(empty)
    print(f"  {ratio:.1f} times a Python that imports aiohttp and cryptography")


def letting_through(folder: Path) -> None:
    """Measure requests per second through TLS, the split and the proxy."""
    process, environment = start(folder)
    try:
        scene = Scene(environment, folder)
        app = scene.workspace / "addin"
        app.mkdir(parents=True)
        (app / "main.py").write_text(APP, "utf-8")
        (app / "Dockerfile").write_text(
            'FROM python:3.11\nCOPY main.py /\nCMD ["python", "/main.py"]\n', "utf-8"
        )
        idle = memory(process.pid)
        url = scene.create_app(scene.seed_image("1"), "1")
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, {cores[0]})
            os.sched_setaffinity(0, set(cores[1:]))
        host, ca = str(urlsplit(url).hostname), environment["REQUESTS_CA_BUNDLE"]
        proxy = urlsplit(environment["HTTPS_PROXY"])
        before = busy(process.pid)
        good, bad = asyncio.run(load(host, 443, (str(proxy.hostname), proxy.port or 80), ca))
        used = busy(process.pid) - before
        state = requests.get(f"{environment['SANDBOX_URL']}/state", timeout=30).json()
        [log] = [item["log"] for item in state["apps"][0]["revisions"]]
        address, port = log[0].split()[-2:]
        alone, _ = asyncio.run(load(address, int(port), None, ca))
        print(f"{good / LOAD_S:,.0f} requests/s through the ingress, {bad} failed")
        print(f"  {used / good * 1e6:.0f} µs of its core each: {good / used:,.0f} a second at most")
        print(f"  the app alone, without TLS: {alone / LOAD_S:,.0f}/s; ratio {good / alone:.2f}")
        now = memory(process.pid)
        print(f"  memory: {idle:.0f} MB when ready, {now:.0f} MB after {good:,} requests")
        print("  " + json.dumps({"users": USERS, "seconds": LOAD_S, "cores": len(cores)}))
    finally:
        stop(process)


def main() -> None:
    """Measure and print."""
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        starting(Path(folder))
        home = Path(folder) / "load"
        home.mkdir()
        letting_through(home)


main()
