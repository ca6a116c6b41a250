"""Make a private Python environment from hash-pinned locks, fast, and print its interpreter.

    bootstrap.py [--into DIRECTORY] LOCK...

Standard library only, for every Python from 3.11 on, with or without pip and ensurepip. The one
line on stdout is the path of the environment's Python; everything else goes to stderr. An
environment is keyed by its interpreter and its locks, so it is made once; one that was not finished
is made anew. uv does the work (1.4 s where pip takes 8): the one on PATH, else the one pinned in
uv.txt, fetched by pip; where that cannot be had, pip does it.

Neither the user's Python nor the job's environment is touched. Of the job's settings only those are
heard that say where packages come from and how to get there.
"""

import argparse
import configparser
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
UV_LOCK = HERE / "uv.txt"
DONE = ".complete"
# What says where packages come from, by pip's name, and what uv calls it.
SOURCES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
KEPT = {
    *SOURCES,
    *("PIP_CONFIG_FILE", "PIP_TRUSTED_HOST", "PIP_CLIENT_CERT", "PIP_PROXY", "PIP_NO_INDEX"),
    *("PIP_DEFAULT_TIMEOUT", "PIP_RETRIES"),
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"),
    *("UV_CONFIG_FILE", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE"),
    *("UV_NO_INDEX", "UV_HTTP_TIMEOUT", "UV_CACHE_DIR", "UV_KEYRING_PROVIDER"),
}
MEDDLING = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA", "PIPX_")


class Failed(Exception):  # noqa: N818  it is what happened
    """The environment could not be made; the message is for the user."""


def main() -> int:
    """Print the Python to use; exit code 3 if there is none."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--into", type=Path, default=_home(), help="folder for environments")
    parser.add_argument("locks", nargs="+", type=Path, help="requirements files with hashes")
    given = parser.parse_args()
    try:
        print(environment(given.into.absolute(), [lock.absolute() for lock in given.locks]))
    except (Failed, OSError) as error:
        said = str(error).replace("\n", " ")
        if os.environ.get("GITHUB_ACTIONS"):
            print(f"::error title=The action's packages::{said}", file=sys.stderr)
        print(f"bootstrap: {said}", file=sys.stderr)
        return 3
    return 0


def environment(into: Path, locks: list[Path]) -> Path:
    """Return the Python of the environment for *locks* under *into*, made if it is not there.

    Raises:
        Failed: it cannot be made.
    """
    for lock in locks:
        if not lock.is_file():
            raise Failed(f"The lock file '{lock}' does not exist.")
    home = into / _key(locks)
    python = home / "bin" / "python"
    into.mkdir(parents=True, exist_ok=True)
    with _alone(into / f".{home.name}.lock"):
        if not (home / DONE).exists():
            began = time.monotonic()
            shutil.rmtree(home, ignore_errors=True)
            how = _make(into, home, python, locks)
            (home / DONE).touch()
            took = time.monotonic() - began
            print(f"bootstrap: made {home} with {how} in {took:.1f} s", file=sys.stderr)
    return python


def _make(into: Path, home: Path, python: Path, locks: list[Path]) -> str:
    """Make the environment; returns what did the work."""
    env = _clean(os.environ)
    wanted = [word for lock in locks for word in ("-r", str(lock))]
    if uv := _uv(into, env):
        env = _for_uv(env)
        quiet = ["--quiet", "--no-progress", "--no-config" if "UV_CONFIG_FILE" not in env else ""]
        quiet = [word for word in quiet if word]
        _run([uv, "venv", *quiet, "--no-project", "--python", sys.executable, str(home)], env)
        install = [uv, "pip", "install", *quiet, "--python", str(python), "--no-deps"]
        # Copies survive a cache on another disk, and nobody can change them through the cache.
        _run([*install, "--require-hashes", "--link-mode", "copy", *wanted], env)
        return "uv"
    _run([sys.executable, "-I", "-m", "venv", str(home)], env)
    install = [str(python), "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    _run([*install, "--disable-pip-version-check", "--require-hashes", *wanted], env)
    return "pip"


def _uv(into: Path, env: dict[str, str]) -> str | None:
    """Find uv, or fetch the pinned one; None where neither is possible."""
    if found := shutil.which("uv", path=env.get("PATH")):
        return found
    digest = hashlib.sha256(UV_LOCK.read_bytes()).hexdigest()[:12]
    home = into / f"uv-{digest}"
    program = home / "bin" / "uv"
    if (home / DONE).exists():
        return str(program)
    fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    fetch += ["--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
    shutil.rmtree(home, ignore_errors=True)
    try:
        _run([*fetch, "--target", str(home), "-r", str(UV_LOCK)], env)
    except Failed:
        return None  # another machine, or no pip: the slow way is still a way
    (home / DONE).touch()
    return str(program)


def _for_uv(env: dict[str, str]) -> dict[str, str]:
    """Tell uv what only pip was told: where packages come from."""
    told = {**_pip_files(env), **{name: env[name] for name in SOURCES if name in env}}
    found = dict(env)
    if not any(name.startswith("UV_") and "IND" in name for name in env):
        for theirs, ours in SOURCES.items():
            if theirs in told and ours not in env:
                found[ours] = " ".join(told[theirs].split())
        if "UV_FIND_LINKS" in found:
            found["UV_FIND_LINKS"] = ",".join(found["UV_FIND_LINKS"].split())
    # As pip does: the best match of all indexes. The hashes decide what is taken.
    found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def _pip_files(env: dict[str, str]) -> dict[str, str]:
    """Return what pip's configuration files say about sources, as variables."""
    user = Path(env.get("HOME", "/"))
    config = Path(env.get("XDG_CONFIG_HOME") or user / ".config")
    files = [Path("/etc/pip.conf"), user / ".pip/pip.conf", config / "pip/pip.conf"]
    if "PIP_CONFIG_FILE" in env:
        files.append(Path(env["PIP_CONFIG_FILE"]))
    parser = configparser.RawConfigParser()
    parser.read(files, encoding="utf-8")
    found = {}
    for name in SOURCES:
        option = name.removeprefix("PIP_").lower().replace("_", "-")
        for section in ("global", "install"):
            if parser.has_option(section, option):
                found[name] = parser.get(section, option)
    return found


def _clean(variables: "os._Environ[str]") -> dict[str, str]:
    """Return the environment without what could change what is installed, or where."""
    return {
        name: value
        for name, value in variables.items()
        if name in KEPT or not name.startswith(MEDDLING)
    }


def _run(command: list[str], env: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, cwd="/"
        )
    except OSError as error:
        raise Failed(f"{command[0]} could not be started: {error.strerror}.") from None
    if done.returncode:
        last = " ".join((done.stderr or done.stdout).split())[-600:]
        raise Failed(f"{Path(command[0]).name} {command[1]} failed: {last}")


def _key(locks: list[Path]) -> str:
    """Name an environment by all that it depends on."""
    digest = hashlib.sha256()
    for part in (sys.version, os.path.realpath(sys.executable), platform.machine()):
        digest.update(part.encode() + b"\0")
    for lock in locks:
        digest.update(lock.read_bytes() + b"\0")
    return f"python-{digest.hexdigest()[:16]}"


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _home() -> Path:
    """Return where environments go when nothing is said."""
    if runner := os.environ.get("RUNNER_TEMP"):
        return Path(runner) / "deploy-action"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "deploy-action"


if __name__ == "__main__":
    sys.exit(main())
