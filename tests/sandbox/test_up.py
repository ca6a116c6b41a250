"""Starting and stopping a sandbox: one command that leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import requests

from deploy_action.sandbox import launch
from tests.support.paths import ROOT
from tests.support.scene import Scene


def _listening(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 0)), 2).close()
    except OSError:
        return False
    return True


def _gone(url: str) -> bool:
    end = time.monotonic() + 20
    while _listening(url) and time.monotonic() < end:
        time.sleep(0.02)
    return not _listening(url)


def test_it_says_when_it_is_ready_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process, env = launch.start(tmp_path)
    file = tmp_path / "sandbox.env"
    mode = stat.S_IMODE(file.stat().st_mode)
    inside = Path(env["SANDBOX_DIRECTORY"])
    secret_dir = stat.S_IMODE(inside.stat().st_mode)
    healthy = requests.get(f"{env['SANDBOX_URL']}/healthz", timeout=10, proxies={"http": ""})
    with redis.Redis.from_url(env["AZURE_REDIS_CONNECTION_STRING"]) as client:
        ponged = client.ping()

    launch.stop(process)

    assert (mode, secret_dir) == (0o600, 0o700)
    assert healthy.status_code == 200
    assert ponged
    assert process.returncode == 0
    assert not file.exists()
    assert not inside.exists()
    assert not _listening(env["SANDBOX_URL"])
    assert not _listening(env["AZURE_REDIS_CONNECTION_STRING"])
    assert sorted(item.name for item in tmp_path.iterdir()) == ["sandbox.log"]


def _family(pid: int) -> set[int]:
    """Return a process and all that it has started, directly or not."""
    children: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = file.read_text("utf-8").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(file.parent.name))
    family, fresh = {pid}, [pid]
    while fresh:
        fresh = [child for item in fresh for child in children.get(item, [])]
        family |= set(fresh)
    return family


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _with_an_app(tmp_path: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    process, env = launch.start(tmp_path)
    scene = Scene(env, tmp_path)
    scene.make_repository()
    scene.create_app(scene.seed_image("1"), "1")
    return process, env


def test_its_children_exit_even_if_it_is_killed(tmp_path: Path) -> None:
    process, env = _with_an_app(tmp_path)
    family = _family(process.pid)
    assert len(family) >= 4, "itself, Redis, the app, and who watches over them"

    process.kill()
    process.wait()

    assert _gone(env["AZURE_REDIS_CONNECTION_STRING"])
    end = time.monotonic() + 20
    while (remaining := [pid for pid in family if _alive(pid)]) and time.monotonic() < end:
        time.sleep(0.02)
    assert remaining == []
    launch.stop(process)


def test_all_that_listens_listens_on_loopback_alone(tmp_path: Path) -> None:
    process, _ = _with_an_app(tmp_path)
    try:
        own = set()
        for pid in _family(process.pid):
            for file in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    own.add(str(file.readlink()))
        listening = [
            fields[1].rpartition(":")[0]
            for table in ("tcp", "tcp6", "udp", "udp6")
            for line in Path(f"/proc/net/{table}").read_text("utf-8").splitlines()[1:]
            if (fields := line.split())[3] in {"0A", "07"} and f"socket:[{fields[9]}]" in own
        ]
    finally:
        launch.stop(process)
    assert len(listening) >= 3, "the front, Redis and the app"
    assert {address[-2:] for address in listening} == {"7F"}, "127.x.y.z, as the kernel writes it"
    assert {len(address) for address in listening} == {8}, "IPv4"


def test_no_file_is_written_outside_its_folder(tmp_path: Path) -> None:
    outside, own = tmp_path / "outside", tmp_path / "own"
    for folder in (outside, own):
        folder.mkdir()
    command = [sys.executable, "-m", "deploy_action", "sandbox", "up"]
    command += ["--directory", str(own / "azure"), "--env-file", str(own / "env")]
    names = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "AZURE_CONFIG_DIR")
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **dict.fromkeys(names, str(outside))}
    )
    try:
        while not (own / "env").exists():
            assert process.poll() is None
            time.sleep(0.02)
        env = dict(line.split("=", 1) for line in (own / "env").read_text("utf-8").splitlines())
        scene = Scene(env, own)
        scene.make_repository()
        scene.create_app(scene.seed_image("1"), "1")
        requests.get(f"{env['SANDBOX_URL']}/history", timeout=30, proxies={"http": ""})
        at_work = list(outside.rglob("*"))
    finally:
        launch.stop(process)
    assert at_work == []
    assert list(outside.rglob("*")) == []


def test_it_ends_with_its_parent_process(tmp_path: Path) -> None:
    process, env = launch.start(tmp_path)
    assert process.stdin is not None

    process.stdin.close()

    assert process.wait(20) == 0
    assert not _listening(env["SANDBOX_URL"])


def test_two_sandboxes_run_in_parallel_with_separate_authorities(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    for home in homes:
        home.mkdir()
    (first, one), (second, two) = (launch.start(home) for home in homes)
    try:
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"https": one["HTTPS_PROXY"]}
        url = "https://management.azure.com/subscriptions"
        trusted = session.get(url, verify=one["REQUESTS_CA_BUNDLE"], timeout=10)
        with pytest.raises(requests.exceptions.SSLError):
            session.get(url, verify=two["REQUESTS_CA_BUNDLE"], timeout=10)
    finally:
        launch.stop(first)
        launch.stop(second)
    assert trusted.status_code == 401
    assert one["AZURE_TENANT_ID"] != two["AZURE_TENANT_ID"]


def test_curl_reaches_azure_by_its_own_name_and_nothing_else(azure: dict[str, str]) -> None:
    def curl(url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", "20", url],
            env={"PATH": os.environ["PATH"], **azure},
            capture_output=True,
            text=True,
            check=False,
        )

    known = curl("https://management.azure.com/subscriptions?api-version=2022-12-01")
    unknown = curl("https://example.com/")

    assert "AuthenticationFailed" in known.stdout
    assert unknown.returncode == 56
    assert "502" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--clock", "soon"], "'soon' is neither 'instant' nor 'real' nor a number"),
        (["--retry-after", "0"], "0 is not in the range"),
        (["--directory", "."], "already exists; specify a new folder"),
    ],
)
def test_an_invalid_option_is_refused(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy_action", "sandbox", "up", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode in {1, 2}
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    process, env = launch.start(tmp_path)

    process.send_signal(signal.SIGINT)

    assert process.wait(20) == 0
    assert not Path(env["SANDBOX_DIRECTORY"]).exists()
    launch.stop(process)


def test_options_select_azures_behaviour_until_2024(tmp_path: Path) -> None:
    """One polling address; a suffix that is taken is accepted, and deploys nothing."""
    process, env = launch.start(tmp_path, "--location-only", "--silent-suffix")
    try:
        scene = Scene(env, tmp_path)
        scene.make_repository()
        scene.create_app(scene.seed_image("1"), "1")
        [old] = scene.revisions().values()
        containers = [{**old["template"]["containers"][0], "args": ["something", "else"]}]
        template = {"revisionSuffix": "first", "containers": containers}
        reply = scene.ask("PATCH", scene.path, {"properties": {"template": template}})
        while (state := scene.resource()["properties"])["provisioningState"] == "InProgress":
            pass
        names = list(scene.revisions())
    finally:
        launch.stop(process)

    assert reply.status_code == 202
    assert "Location" in reply.headers
    assert "Azure-AsyncOperation" not in reply.headers
    assert state["provisioningState"] == "Succeeded"
    assert state["template"]["containers"][0]["args"] == ["something", "else"]
    assert names == [f"{scene.app}--first"]
