"""Make a private Python environment from hash-pinned locks, fast, and print its interpreter.

    bootstrap.py [--into DIRECTORY] LOCK...

Standard library only, for every Python from 3.11 on, with or without pip and ensurepip. The one
line on stdout is the path of the environment's Python; everything else goes to stderr. An
environment is keyed by its interpreter and its locks, so it is made once; one that was not finished
is made anew. uv does the work (1.5 s where pip takes 8): the one on PATH, else the one pinned in
uv-requirements.txt, fetched from the package index; where that cannot be had, pip does it.

Neither the user's Python nor the job's environment is touched. Of the user's settings, variables
and pip's files alike, only those are heard that say where packages come from and how to get there.
"""

from __future__ import annotations

import argparse
import configparser
import fcntl
import gzip
import hashlib
import html
import importlib.util
import io
import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

HERE = Path(__file__).resolve().parent
UV_LOCK = HERE / "uv-requirements.txt"
DONE = ".complete"
OLDEST_PYTHON = 0x030B0000  # as in sys.hexversion
ANSWER_S = 15.0  # how long the index may be silent
OLDEST_UV = (0, 5)  # from here on it knows every word and variable used below

# What says where packages come from and how to get there: pip's variable, and uv's for the same.
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
UV_OTHERS = {"UV_CONFIG_FILE", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_OFFLINE"}
UV_OTHERS |= {"UV_KEYRING_PROVIDER", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_HTTP_TIMEOUT"}
KEPT = UV_INDEXES | UV_OTHERS | set(SOURCES)
MEDDLING = ("PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA", "PIPX_", "__PYVENV")
COMMAS = {"UV_FIND_LINKS"}  # uv parts these values by commas where pip does by spaces


class Failed(Exception):  # noqa: N818  it is what happened
    """The environment could not be made; the message is for the user."""


def main() -> int:
    """Print the Python to use; exit code 3 if there is none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--into", type=Path, help="folder for environments")
    parser.add_argument("locks", nargs="+", type=Path, help="requirements files with hashes")
    given = parser.parse_args()
    _leave_the_users_environment()
    try:
        into = given.into or _home()
        print(environment(into.absolute(), [lock.absolute() for lock in given.locks]))
    except (Failed, OSError) as error:
        said = " ".join(str(error).split())
        if os.environ.get("GITHUB_ACTIONS"):
            print(f"::error title=The action's packages::{_escaped(said)}", file=sys.stderr)
        print(f"bootstrap: {said}", file=sys.stderr)
        return 3
    return 0


def _leave_the_users_environment() -> None:
    """Go on in the Python behind a virtual environment, which has pip and stays when it goes."""
    base = os.path.realpath(sys.executable)
    if sys.prefix != sys.base_prefix and not Path(base).is_relative_to(sys.prefix):
        os.execv(base, [base, "-I", *sys.argv])  # noqa: S606  no shell is wanted


def environment(into: Path, locks: list[Path]) -> Path:
    """Return the Python of the environment for *locks* under *into*, made if it is not there.

    Raises:
        Failed: it cannot be made.
    """
    if sys.hexversion < OLDEST_PYTHON:
        raise Failed(
            f"The action needs Python 3.11 or newer, but '{sys.executable}' is"
            f" {platform.python_version()}: use a runner with a newer one, or actions/setup-python."
        )
    for lock in locks:
        if not lock.is_file():
            raise Failed(f"The lock file '{lock}' does not exist.")
    into.mkdir(parents=True, exist_ok=True)
    home = into / _key(locks)
    with _once(home) as held:
        if held is not None:
            began = time.monotonic()
            how = _Maker(into, held).make(home, locks)
            took = time.monotonic() - began
            print(f"bootstrap: made {home} with {how} in {took:.1f} s", file=sys.stderr)
    return _python(home)


class _Maker:
    """Fills one folder.

    Args:
        into: the folder of all environments.
        held: the lock's file descriptor. Children inherit it: should this process be killed, the
            folder stays locked until they have ended too.
    """

    def __init__(self, into: Path, held: int) -> None:
        self._into = into
        self._held = held
        self._env = _heard(os.environ)

    def make(self, home: Path, locks: list[Path]) -> str:
        """Make the environment; return what did the work."""
        wanted = [word for lock in locks for word in ("-r", str(lock))]
        if uv := self._uv():
            self._with_uv(uv, home, wanted)
            return "uv"
        self._with_pip(home, wanted)
        return "pip"

    def _with_pip(self, home: Path, wanted: list[str]) -> None:
        venv = [sys.executable, "-I", "-m", "venv", str(home)]
        if importlib.util.find_spec("pip"):  # then none need be unpacked, which would cost 3 s
            self._run([*venv, "--without-pip"])
            self._pip([sys.executable, "-m", "pip", "--python", str(_python(home))], wanted)
        else:
            self._run(venv)
            self._pip([str(_python(home)), "-m", "pip"], wanted)

    def _with_uv(self, uv: str, home: Path, wanted: list[str]) -> None:
        env = _for_uv(self._env)
        quiet = ["--quiet", "--no-progress"]
        self._run([uv, "venv", *quiet, "--no-project", "--python", sys.executable, str(home)], env)
        # A cache of its own: what another job left in the user's would be taken unchecked. Linking
        # from it spares half of the writing; then it goes.
        cache = home / ".cache"
        install = [uv, "pip", "install", *quiet, "--python", str(_python(home)), "--no-deps"]
        install += ["--require-hashes", "--cache-dir", str(cache), "--link-mode", "hardlink"]
        # No bytecode: compiling everything costs 1.4 s, importing what a verb uses far less.
        self._run([*install, *wanted], env)
        shutil.rmtree(cache)

    def _uv(self) -> str | None:
        """Find uv, or fetch the pinned one; None where neither is possible."""
        found = shutil.which("uv", path=self._env.get("PATH"))
        if found and self._new_enough(found):
            return found
        home = self._into / f"uv-{hashlib.sha256(UV_LOCK.read_bytes()).hexdigest()[:16]}"
        uv = str(home / "bin" / "uv")
        try:
            with _once(home) as held:
                if held is not None and not _fetched(home, self._env):
                    fetch = ["--only-binary", ":all:", "--target", str(home), "-r", str(UV_LOCK)]
                    self._pip([sys.executable, "-m", "pip"], fetch)
        except Failed:
            return None  # another kind of machine, or no pip: the slow way is still a way
        return uv if self._new_enough(uv) else None

    def _new_enough(self, uv: str) -> bool:
        """Whether it runs (it may be a shim of something) and knows our words."""
        try:
            version = re.match(r"uv (\d+)\.(\d+)", self._run([uv, "--version"]))
        except Failed:
            return False
        return version is not None and (int(version[1]), int(version[2])) >= OLDEST_UV

    def _pip(self, pip: list[str], wanted: list[str]) -> None:
        install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        self._run([*install, "--no-compile", "--require-hashes", *wanted])

    def _run(self, command: list[str], env: dict[str, str] | None = None) -> str:
        """Run *command* away from the workspace, whose files could have a say; return its words."""
        try:
            done = subprocess.run(
                command,
                env=env or self._env,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd="/",
                pass_fds=[self._held],
            )
        except OSError as error:
            raise Failed(f"'{command[0]}' could not be started: {error.strerror}.") from None
        if done.returncode:
            name = " ".join([Path(command[0]).name, *command[1:4]])
            last = " ".join((done.stderr or done.stdout).split())[-600:]
            raise Failed(f"The action's Python packages could not be installed ({name}): {last}")
        return done.stdout


def _fetched(home: Path, env: Mapping[str, str]) -> bool:
    """Put the pinned uv under *home*, past pip, which needs 3 s for it; False where that fails.

    The page of uv on an index names thousands of files, and pip weighs each of them. Here the file
    is known by its hash. What is unusual (an index that wants a password, client certificates, no
    index at all) is left to pip.

    Source: PyPA's simple repository API, the HTML form, which every index offers.
    """
    if env.keys() & {"PIP_NO_INDEX", "PIP_CLIENT_CERT", "PIP_TRUSTED_HOST"}:
        return False
    wanted = set(re.findall(r"sha256:([0-9a-f]{64})", UV_LOCK.read_text("utf-8")))
    try:
        page = f"{_index(env).rstrip('/')}/uv/"
        listed = _get(page, env).decode()
        for link, digest in re.findall(r'href="([^"#]+\.whl)#sha256=([0-9a-f]{64})"', listed):
            if digest in wanted and link.endswith(f"{platform.machine()}.whl"):
                wheel = _get(urljoin(page, html.unescape(link)), env)
                return hashlib.sha256(wheel).hexdigest() == digest and _unpacked(wheel, home)
    except (OSError, HTTPException, ValueError, ImportError, AttributeError, zipfile.BadZipFile):
        pass
    return False


def _index(env: Mapping[str, str]) -> str:
    """Return the index's address: the user's, or the one that pip has built in."""
    told = env.get("PIP_INDEX_URL") or env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL")
    return told or str(importlib.import_module("pip._internal.models.index").PyPI.simple_url)


def _get(url: str, env: Mapping[str, str]) -> bytes:
    """Return what *url* answers; raises OSError for anything but 200."""
    trust = ssl.create_default_context()
    if own := env.get("PIP_CERT") or env.get("REQUESTS_CA_BUNDLE"):
        trust.load_verify_locations(**{"capath" if Path(own).is_dir() else "cafile": own})
    proxy = env.get("PIP_PROXY")
    proxies = ProxyHandler({"http": proxy, "https": proxy} if proxy else None)
    asked = Request(  # noqa: S310  the user's own index, of whatever scheme; the hash decides
        url, headers={"Accept": "text/html", "Accept-Encoding": "gzip"}
    )
    opener = build_opener(HTTPSHandler(context=trust), proxies)
    with opener.open(asked, timeout=ANSWER_S) as reply:
        body = bytes(reply.read())
        return gzip.decompress(body) if reply.headers["Content-Encoding"] == "gzip" else body


def _unpacked(wheel: bytes, home: Path) -> bool:
    """Take the program out of uv's wheel."""
    program = home / "bin" / "uv"
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".data/scripts/uv"))
        program.parent.mkdir(parents=True)
        with archive.open(name) as source, program.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    program.chmod(0o755)
    return True


def _heard(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for children: nothing that could change what is installed, or where."""
    plain = {
        name: value
        for name, value in variables.items()
        if name in KEPT or not name.startswith(MEDDLING)
    }
    # pip's files are heard here, once, for pip and uv alike; pip itself shall not look at them.
    return {**_pip_files(variables), **plain, "PIP_CONFIG_FILE": os.devnull}


def _pip_files(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what pip's configuration files say about sources, as variables.

    Source: pip's user guide, "Configuration": which files, the later one wins, [install] wins over
    [global], and /dev/null as PIP_CONFIG_FILE switches all of them off.
    """
    told = variables.get("PIP_CONFIG_FILE", "")
    if told == os.devnull:
        return {}
    user = Path(variables.get("HOME", "/"))
    shared = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    own = Path(variables.get("XDG_CONFIG_HOME") or user / ".config")
    files = [Path(folder) / "pip" / "pip.conf" for folder in shared]
    files += [Path("/etc/pip.conf"), user / ".pip" / "pip.conf", own / "pip" / "pip.conf"]
    files += [Path(sys.prefix) / "pip.conf", *([Path(told)] if told else [])]
    parser = configparser.RawConfigParser()
    try:
        parser.read(files, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Failed(f"pip's configuration cannot be read: {error}") from None
    found = {}
    for name in SOURCES:
        option = name.removeprefix("PIP_").lower()
        for section in ("global", "install"):
            for spelling in (option, option.replace("_", "-")):
                if parser.has_option(section, spelling):
                    found[name] = parser.get(section, spelling)
    return found


def _for_uv(env: dict[str, str]) -> dict[str, str]:
    """Tell uv what only pip was told. Who told uv itself about indexes is taken at that word."""
    told = {**env, "PIP_CERT": env.get("PIP_CERT") or env.get("REQUESTS_CA_BUNDLE", "")}
    found = dict(env)
    own_indexes = bool(UV_INDEXES & set(env))
    for theirs, ours in SOURCES.items():
        words = told.get(theirs, "").split()
        if words and ours not in env and not (own_indexes and ours in UV_INDEXES):
            found[ours] = ("," if ours in COMMAS else " ").join(words)
    # As pip does: the best match of all indexes. The hashes decide what is taken.
    found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def _key(locks: list[Path]) -> str:
    """Name an environment by all that it depends on."""
    digest = hashlib.sha256()
    for part in (sys.version, os.path.realpath(sys.executable), platform.machine()):
        digest.update(part.encode() + b"\0")
    for lock in locks:
        digest.update(lock.read_bytes() + b"\0")
    return f"python-{digest.hexdigest()[:16]}"


def _python(home: Path) -> Path:
    return home / "bin" / "python"


@contextmanager
def _once(home: Path) -> Iterator[int | None]:
    """Enter with a lock's descriptor if *home* must be filled, or with None if it is complete.

    One process at a time is let in. What an interrupted one left is removed first; leaving without
    an exception makes *home* complete.
    """
    if (home / DONE).exists():
        yield None
        return
    with (home.parent / f".{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the last process that holds it, however
        if (home / DONE).exists():
            yield None
            return
        shutil.rmtree(home, ignore_errors=True)
        try:
            yield lock.fileno()
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        (home / DONE).touch()


def _home() -> Path:
    """Return where environments go when nothing is said."""
    if runner := os.environ.get("RUNNER_TEMP"):
        return Path(runner) / "deploy-action"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "deploy-action"


def _escaped(text: str) -> str:
    """Escape for a workflow command; source: actions/toolkit, command.ts."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
