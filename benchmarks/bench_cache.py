"""Clearing a cache: a million keys, of which three patterns match 300,000.

The baseline is the usual manual command, once per pattern:
``redis-cli --scan --pattern P | xargs -n 1000 redis-cli UNLINK``. Needs redis-server and redis-cli.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.redis_kinds import Delay, cluster, free_ports, servers  # noqa: E402

PATTERNS = ("manifest:*", "config:*", "email:pattern:*")
ROUNDS = 3
OWN = """
import resource, sys, time
from deploy_action.adapters.cache import Cache
from deploy_action.core.cache.connection import parse
cache = Cache(parse(sys.argv[1]), budget_s=600)
cache.ping()
began = time.perf_counter()
done = cache.clear(sys.argv[2:])
print(time.perf_counter() - began, sum(p.removed for p in done.patterns),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def fill(port: int, keys: int) -> None:
    """Write *keys* keys of 120 bytes; three in ten match."""
    with redis.Redis(port=port) as client:
        client.flushall()
        for name, share in (("session", 7), ("manifest", 1), ("config", 1), ("email:pattern", 1)):
            client.execute_command("DEBUG", "POPULATE", keys * share // 10, name, 120)


def own(port: int) -> tuple[float, int, int]:
    """Clear with the action; return seconds, keys removed, and memory in KiB."""
    command = [sys.executable, "-c", OWN, f"redis://127.0.0.1:{port}", *PATTERNS]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    took, removed, memory = done.stdout.split()
    return float(took), int(removed), int(memory)


def by_hand(port: int) -> float:
    """Clear with redis-cli; return seconds."""
    began = time.perf_counter()
    for pattern in PATTERNS:
        words = f"redis-cli -p {port} --scan --pattern '{pattern}'"
        subprocess.run(
            ["sh", "-c", f"{words} | xargs -n 1000 redis-cli -p {port} UNLINK > /dev/null"],
            check=True,
        )
    return time.perf_counter() - began


def slowest_ping(port: int, work: Callable[[], object]) -> float:
    """Return the longest response time, in ms, of another client while *work* runs."""
    over, slowest = threading.Event(), [0.0]

    def ask() -> None:
        with redis.Redis(port=port) as client:
            while not over.is_set():
                began = time.perf_counter()
                client.ping()
                slowest[0] = max(slowest[0], time.perf_counter() - began)
                time.sleep(0.001)

    thread = threading.Thread(target=ask)
    thread.start()
    work()
    over.set()
    thread.join()
    return slowest[0] * 1000


def busy(port: int) -> float:
    """Return the seconds of CPU that the server has used."""
    with redis.Redis(port=port) as client:
        info = client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def one_server(folder: Path) -> None:
    """Compare the action with redis-cli, locally and over a slow link; measure memory."""
    [port] = free_ports(1)
    with servers(folder, [port], "--enable-debug-command", "local"):
        ours, theirs, pings, cpu = [], [], {"own": 0.0, "redis-cli": 0.0}, 0.0
        for _ in range(ROUNDS):
            fill(port, 1_000_000)
            before = busy(port)
            pings["own"] = max(pings["own"], slowest_ping(port, lambda: ours.append(own(port))))
            cpu = busy(port) - before
            fill(port, 1_000_000)
            took = slowest_ping(port, lambda: theirs.append(by_hand(port)))
            pings["redis-cli"] = max(pings["redis-cli"], took)
        own_s, cli_s = statistics.median(o[0] for o in ours), statistics.median(theirs)
        print(f"1,000,000 keys, {ours[0][1]:,} match: {own_s:.2f} s, redis-cli {cli_s:.2f} s")
        print(
            f"  {cli_s / own_s:.1f} times faster; the server was busy for {cpu / own_s:.0%} of it"
        )
        print(
            f"  slowest PING of another: {pings['own']:.1f} ms, "
            f"redis-cli {pings['redis-cli']:.1f} ms"
        )
        fill(port, 100_000)
        small = own(port)[2]
        print(f"  memory: {ours[0][2] / small:.2f} times that for a tenth of the keys")
        with Delay(port, 0.01).opened() as far:
            fill(port, 20_000)
            near_s = own(far.port)[0]
            fill(port, 20_000)
            far_s = by_hand(far.port)
            fill(port, 1_000_000)
            million_s = own(far.port)[0]
        print(f"over a 10 ms link, 20,000 keys: {near_s:.2f} s, redis-cli {far_s:.2f} s")
        print(f"  {far_s / near_s:.1f} times faster; 1,000,000 keys the own way: {million_s:.2f} s")


def mixed(client: "redis.Redis | redis.RedisCluster") -> None:
    """Write 100,000 keys; three in five match."""
    kinds = ("session", "session", "manifest", "config", "email:pattern")
    pipe = client.pipeline()
    for number in range(100_000):
        pipe.set(f"{kinds[number % 5]}:{number}", "x" * 120)
        if number % 5_000 == 4_999:
            pipe.execute()


def three_primaries(folder: Path) -> None:
    """Compare a cluster of three with one node that has the same keys."""
    [port] = free_ports(1)
    with servers(folder, [port]):
        with redis.Redis(port=port) as client:
            mixed(client)
        alone_s, at_one, _ = own(port)
    beside = folder / "beside"
    beside.mkdir()
    with cluster(beside) as entry:
        with redis.RedisCluster(host="127.0.0.1", port=entry) as client:
            mixed(client)
        took, removed, _ = own(entry)
    if removed != at_one:
        raise RuntimeError(f"{removed} keys removed from the cluster, {at_one} from one node")
    print(f"three primaries, {removed:,} of 100,000 keys: {took:.2f} s")
    print(f"  one node with the same keys: {alone_s:.2f} s; ratio {took / alone_s:.2f}")


def main() -> None:
    """Measure and print."""
    os.environ.pop("REDISCLI_AUTH", None)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in (("one", one_server), ("cluster", three_primaries)):
            home = Path(folder) / name
            home.mkdir()
            measure(home)


main()
