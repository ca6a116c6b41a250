"""Create a private Python environment from hash-pinned locks and print its interpreter.

    python3 -I bootstrap.py [--into DIRECTORY] LOCK...

Needs only the standard library of Python 3.11 or newer. stdout is one line, the path of the
environment's Python; everything else goes to stderr. Each combination of interpreter and locks has
one environment, which is created once; an incomplete one is created again.

uv installs the packages: the one on PATH, else the version pinned in uv-requirements.txt, which pip
installs. Where neither is available, pip installs the packages itself.

The user's Python and the job's environment stay untouched. Only settings that say where packages
come from apply (pip's and uv's variables, and pip's configuration files).
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Before anything else is imported: modules in PYTHONPATH could replace the standard library's.
    # And outside a virtual environment: the Python behind it has pip, and stays when it is deleted.
    BASE = os.path.realpath(sys.executable)
    IN_VENV = sys.prefix != sys.base_prefix and not BASE.startswith(sys.prefix + os.sep)
    if IN_VENV or not sys.flags.isolated:
        PYTHON = BASE if IN_VENV else sys.executable
        os.execv(PYTHON, [PYTHON, "-I", *sys.argv])  # noqa: S606  no shell

import argparse
import configparser
import fcntl
import hashlib
import importlib.util
import platform
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

UV_LOCK = Path(__file__).resolve().with_name("uv-requirements.txt")
OLDEST_UV = (0, 5)  # the first version with every option and variable used here
OLDEST_PYTHON = 0x030B0000  # as in sys.hexversion
COMPLETE = ".complete"  # marks a finished folder

# pip's settings about package sources, and uv's variables with the same meaning.
SOURCES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_CLIENT_CERT": "SSL_CLIENT_CERT",
    "PIP_PROXY": "HTTPS_PROXY",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
}
UV_INDEXES = {"UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX"}
UV_OTHERS = {"UV_CONFIG_FILE", "UV_HTTP_RETRIES", "UV_NATIVE_TLS", "UV_OFFLINE", "UV_SYSTEM_CERTS"}
KEPT = {*SOURCES, *SOURCES.values(), *UV_INDEXES, *UV_OTHERS, "UV_KEYRING_PROVIDER"}
ISOLATED_PREFIXES = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA", "PIPX_", "__PYVENV")


class SetupError(Exception):
    """The environment cannot be created; the message is for the user."""


def main() -> int:
    """Print the Python to use; the exit code is 3 if there is none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--into", type=Path, help="folder for environments")
    parser.add_argument("locks", nargs="+", type=Path, help="requirements files with hashes")
    arguments = parser.parse_args()
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        into = arguments.into or Path(os.environ.get("RUNNER_TEMP") or cache) / "deploy-action"
        print(environment(into.absolute(), [lock.absolute() for lock in arguments.locks]))
    except (SetupError, OSError) as error:
        message = " ".join(str(error).split())
        if os.environ.get("GITHUB_ACTIONS"):
            escaped = message.replace("%", "%25")
            print(f"::error title=Installing Python packages::{escaped}", file=sys.stderr)
        print(f"bootstrap: {message}", file=sys.stderr)
        return 3
    return 0


def environment(into: Path, locks: list[Path]) -> Path:
    """Return the Python of the environment for *locks* under *into*; create it if it is missing.

    Raises:
        SetupError: it cannot be created.
    """
    if sys.hexversion < OLDEST_PYTHON:
        raise SetupError(
            f"The action needs Python 3.11 or newer, but '{sys.executable}' is"
            f" {platform.python_version()}: use a newer runner image, or actions/setup-python."
        )
    python = os.path.realpath(sys.executable)
    digest = hashlib.sha256(f"{sys.version}\0{python}\0{platform.machine()}".encode())
    for lock in locks:
        if not lock.is_file():
            raise SetupError(f"The lock file '{lock}' does not exist.")
        digest.update(b"\0" + lock.read_bytes())
    home = into / f"python-{digest.hexdigest()[:16]}"
    with _once(home) as missing:
        if missing:
            started = time.monotonic()
            tool = _install(into, home, [word for lock in locks for word in ("-r", str(lock))])
            seconds = time.monotonic() - started
            print(f"bootstrap: created {home} with {tool} in {seconds:.1f} s", file=sys.stderr)
    return home / "bin/python"


def _install(into: Path, home: Path, requirements: list[str]) -> str:
    """Create the environment *home*; return the name of the tool that did it."""
    env = _environment(os.environ)
    python = str(home / "bin/python")
    if uv := _uv(into, env):
        # A private cache: a shared one could contain unverified files. Hard links
        # from the cache save half of the writing. No bytecode: compiling everything takes 1.4 s.
        cache = home / ".cache"
        quiet = ["--quiet", "--no-progress"]
        venv = [uv, "venv", *quiet, "--no-project", "--no-cache", "--python", sys.executable]
        _run([*venv, str(home)], env)
        install = [uv, "pip", "install", *quiet, "--cache-dir", str(cache), "--python", python]
        hashed = ["--link-mode", "hardlink", "--no-deps", "--require-hashes"]
        _run([*install, *hashed, *requirements], env)
        shutil.rmtree(cache)
        return "uv"
    venv = [sys.executable, "-I", "-m", "venv", str(home)]
    if importlib.util.find_spec("pip"):  # saves 3 s: pip need not be unpacked
        _run([*venv, "--without-pip"], env)
        _pip(sys.executable, env, requirements, "--python", python)
    else:
        _run(venv, env)
        _pip(python, env, requirements)
    return "pip"


def _uv(into: Path, env: dict[str, str]) -> str | None:
    """Find uv or install the pinned version; None where neither is possible."""
    if (on_path := shutil.which("uv", path=env.get("PATH"))) and _is_recent(on_path, env):
        return on_path
    home = into / f"uv-{hashlib.sha256(UV_LOCK.read_bytes()).hexdigest()[:16]}"
    uv = str(home / "bin/uv")
    try:
        with _once(home) as missing:
            if missing:
                options = ["--only-binary", ":all:", "--target", str(home), "-r", str(UV_LOCK)]
                _pip(sys.executable, env, options)
    except SetupError:
        return None  # no wheel for this platform, or no pip
    return uv if _is_recent(uv, env) else None


def _is_recent(uv: str, env: dict[str, str]) -> bool:
    try:
        version = re.match(r"uv (\d+)\.(\d+)", _run([uv, "--version"], env))
    except SetupError:  # for example a shim without a version behind it
        return False
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST_UV


def _pip(python: str, env: dict[str, str], arguments: list[str], *options: str) -> None:
    install = [python, "-I", "-m", "pip", *options, "install", "--quiet", "--no-deps"]
    checks = ["--no-compile", "--require-hashes", "--disable-pip-version-check"]
    _run([*install, *checks, *arguments], env)


def _run(command: list[str], env: dict[str, str]) -> str:
    """Return stdout. The working directory is not the workspace: its files could interfere.

    The child inherits the lock of `_once`, so that it lasts until the child has ended.
    """
    try:
        done = subprocess.run(
            command,
            env=env,
            capture_output=True,
            check=False,
            cwd="/",
            close_fds=False,
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"'{command[0]}' could not be started: {error.strerror}.") from None
    if done.returncode:
        name = " ".join([Path(command[0]).name, *command[1:4]])
        output = " ".join((done.stderr or done.stdout).split())[-600:]
        raise SetupError(f"Could not install the action's Python packages ({name}): {output}")
    return done.stdout


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv and pip, without variables that change what they install.

    pip's settings are translated for uv, except its indexes where uv has indexes of its own.
    """
    env = {**_pip_configuration(variables), **variables}
    env = {n: v for n, v in env.items() if n in KEPT or not n.startswith(ISOLATED_PREFIXES)}
    uv_has_indexes = not UV_INDEXES.isdisjoint(env)
    for pip_name, uv_name in SOURCES.items():
        fallback = env.get("REQUESTS_CA_BUNDLE", "") if pip_name == "PIP_CERT" else ""
        values = (env.get(pip_name) or fallback).split()
        if values and uv_name not in env and not (uv_has_indexes and uv_name in UV_INDEXES):
            env[uv_name] = ("," if uv_name == "UV_FIND_LINKS" else " ").join(values)
    # As pip does: the best match of all indexes. The hashes decide what is accepted.
    always = {"UV_INDEX_STRATEGY": "unsafe-best-match", "PIP_CONFIG_FILE": os.devnull}
    return {"UV_HTTP_RETRIES": "6", **env, **always}


def _pip_configuration(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the package sources in pip's configuration files, as variables.

    Source: pip's user guide, "Configuration": which files, the later one wins, [install] wins over
    [global], and /dev/null as PIP_CONFIG_FILE disables all of them.
    """
    named = variables.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return {}
    user = Path(variables.get("HOME", "/"))
    shared = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    own = Path(variables.get("XDG_CONFIG_HOME") or user / ".config")
    files = [*(Path(folder) / "pip/pip.conf" for folder in shared), Path("/etc/pip.conf")]
    files += [user / ".pip/pip.conf", own / "pip/pip.conf", Path(sys.prefix) / "pip.conf"]
    parser = configparser.RawConfigParser()
    try:
        parser.read([*files, named], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise SetupError(f"pip's configuration cannot be read: {error}") from None
    sections = [parser[name] for name in ("global", "install") if parser.has_section(name)]
    options = {k.replace("-", "_"): v for section in sections for k, v in section.items()}
    return {pip: options[key] for pip in SOURCES if (key := pip[4:].lower()) in options}


@contextmanager
def _once(home: Path) -> Iterator[bool]:
    """Yield True if *home* must be filled, False if it is complete.

    One process at a time. The remains of an interrupted one are deleted first; leaving the block
    without an exception marks *home* as complete.
    """
    if (home / COMPLETE).exists():
        yield False
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / f".{home.name}.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the last process that holds it ends
        if (home / COMPLETE).exists():
            yield False
            return
        shutil.rmtree(home, ignore_errors=True)
        try:
            yield True
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        (home / COMPLETE).touch()


if __name__ == "__main__":
    sys.exit(main())
