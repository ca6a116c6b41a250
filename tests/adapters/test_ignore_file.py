"""Ignore files work as in the Docker engine, in uploads and in the sandbox's builds.

The reference is `docker build` itself: generated folders and ignore files, and the files that
``COPY . /`` finds. Debian's engine is older than today's in one respect: it does not escape the
signs of regular expressions in patterns, so the generated ones have none of them.
"""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from deploy_action.adapters.images.build_context import BuildContext
from deploy_action.adapters.images.docker_client import find_client
from deploy_action.adapters.images.ignore_file import IgnoreRules
from deploy_action.errors import InputError
from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed
from deploy_action.sandbox.acr_tasks.ignore import Ignore
from tests.support.docker_engine import docker_engine

pytestmark = [pytest.mark.xdist_group("docker"), pytest.mark.slow]
FAILED = ["the engine refuses the ignore file"]
NAMES = ["a", "b", "foo", "foo.txt", "x.py", "secret", ".env", "[a]", "ä", "!c", "#h", "a b", "*"]
PIECES = [
    *("*", "**", "?", "a", "b", "foo", ".txt", "x.py", "secret", ".env", "ä", "..", ".", "!c"),
    *("#h", "[ab]", "[^a]", "[a-f]", "[!a]", "[*]", "[[:alpha:]]", r"\*", r"\[a\]", "fo?"),
    *("**.py", "a**", "[a", "\\"),
]


@pytest.fixture(scope="module")
def engine(azure: dict[str, str]) -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="engine-") as directory,
        docker_engine(Path(directory), azure) as address,
    ):
        yield address


def sent_by_docker(folder: Path, dockerfile: Path, engine: str) -> list[str]:
    """Return every path that a real build copies."""
    client = find_client(os.environ)
    result = dockerfile.with_name("result.tar")
    completed = subprocess.run(
        [
            *(str(client.program), "build", "--file", str(dockerfile)),
            *("--output", f"type=tar,dest={result}", str(folder)),
        ],
        env={**os.environ, "DOCKER_HOST": engine, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        refusals = ("syntax error in pattern", "illegal exclusion pattern")
        assert any(text in completed.stderr for text in refusals), completed.stderr
        return FAILED
    with tarfile.open(result) as archive:
        return sorted(entry.name.strip("/") for entry in archive if entry.name.strip("/."))


def selected(context: BuildContext) -> list[str]:
    try:
        rules = IgnoreRules(context.ignore_file(keep_git=True))
        return sorted(name for name, _ in context.files(rules))
    except InputError:
        return FAILED


def selected_in_sandbox(folder: Path) -> list[str]:
    try:
        return sorted(Ignore.of(folder, "no such Dockerfile").files(folder))
    except BuildFailed:
        return FAILED


def make_context(directory: Path, ignore: bytes) -> BuildContext:
    folder = directory / "context"
    folder.mkdir(parents=True, exist_ok=True)
    dockerfile = directory / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    (folder / "kept").write_text("x")
    (folder / ".dockerignore").write_bytes(ignore)
    return BuildContext(folder=folder, dockerfile=dockerfile)


def grow(folder: Path, choice: random.Random, depth: int = 0) -> None:
    for name in choice.sample(NAMES, choice.randint(2, 4)):
        path = folder / name
        if depth < 3 and choice.random() < 0.5:
            path.mkdir()
            grow(path, choice, depth + 1)
        elif choice.random() < 0.1:
            path.symlink_to("kept")
        else:
            path.write_text("x")


def pattern(choice: random.Random) -> str:
    parts = (
        "".join(choice.choice(PIECES) for _ in range(choice.choice([1, 1, 1, 2])))
        for _ in range(choice.randint(1, 3))
    )
    text = "/".join(parts)
    text = f"!{choice.choice(['', ' '])}{text}" if choice.random() < 0.3 else text
    text = f"/{text}" if choice.random() < 0.2 else text
    text += choice.choice(["", "", "", "/", " ", "\r", "\u2003"])
    return choice.choice(["", "", "", "", " ", "\t", "\u00a0", "\ufeff", "#"]) + text


@pytest.mark.parametrize("seed", range(40))
def test_generated_ignore_files_select_what_docker_build_copies(
    seed: int, tmp_path: Path, engine: str
) -> None:
    choice = random.Random(seed)  # noqa: S311  the same examples each time
    lines = [pattern(choice) for _ in range(choice.randint(1, 4))]
    mark = b"\xef\xbb\xbf" if choice.random() < 0.2 else b""
    context = make_context(tmp_path, mark + "\n".join(lines).encode())
    grow(context.folder, choice)

    copied = sent_by_docker(context.folder, context.dockerfile, engine)

    assert selected(context) == copied, lines
    assert selected_in_sandbox(context.folder) == copied, lines


@pytest.mark.parametrize(
    "ignore",
    [
        b"\xef\xbb\xbfsecret\n",
        b"secret\r\nfoo\r\n",
        b"*\n!kept\n!/foo/a\n",
        b"**\n!foo\n",
        b"foo\n!foo/a\n",
        b"foo/*\n!foo/a\n",
        b"**/secret\n",
        b"/secret/\n",
        b" secret \n",
        b"#secret\n\\#h\n",
        b"!\n",
        b"[a\n",
        b"./foo/../secret\n",
        b"[[]a]\n",
        b"sec*t\nfoo/**/a\n",
        b"\xff\nsecret\n",
        b"secret\n" * 3000,
    ],
    ids=lambda content: repr(content[:30]),
)
def test_an_ignore_file_selects_what_docker_build_copies(
    ignore: bytes, tmp_path: Path, engine: str
) -> None:
    context = make_context(tmp_path, ignore)
    for name in ("secret", "foo/a", "foo/b/a", "foo/secret", "b/secret/key", "#h", "[a]"):
        path = context.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (context.folder / "empty").mkdir()

    copied = sent_by_docker(context.folder, context.dockerfile, engine)

    assert selected(context) == copied
    assert selected_in_sandbox(context.folder) == copied


def test_wildcard_exceptions_are_looked_for_in_folders_that_are_left_out(tmp_path: Path) -> None:
    """BuildKit does so since moby/patternmatcher; the engine of this test is older."""
    context = make_context(tmp_path, b"docs\n!**/*.md\n")
    (context.folder / "docs/deep").mkdir(parents=True)
    (context.folder / "docs/deep/a.md").write_text("x")
    (context.folder / "docs/b.txt").write_text("x")

    chosen = selected(context)

    assert chosen == [".dockerignore", "docs", "docs/deep", "docs/deep/a.md", "kept"]
    assert selected_in_sandbox(context.folder) == chosen


def test_the_file_beside_the_dockerfile_has_precedence(tmp_path: Path, engine: str) -> None:
    context = make_context(tmp_path, b"kept\n")
    context.dockerfile.with_name("Dockerfile.dockerignore").write_text("secret\n")
    (context.folder / "secret").write_text("x")

    copied = sent_by_docker(context.folder, context.dockerfile, engine)

    assert copied == [".dockerignore", "kept"]
    assert selected(context) == copied


def test_the_archive_has_no_git_folder_and_no_owner_and_keeps_links(tmp_path: Path) -> None:
    context = make_context(tmp_path, b"secret\n!.git\n")
    for name in (".git/config", "sub/.git/config", "sub/main.py", "secret"):
        path = context.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("AUTHORIZATION: basic dG9rZW4=")
    (context.folder / "link").symlink_to("sub/main.py")
    os.mkfifo(context.folder / "pipe")
    buffer = BytesIO()

    dockerfile = context.pack(buffer)

    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        entries = {entry.name: entry for entry in archive}
        assert set(entries) == {dockerfile, ".dockerignore", "kept", "link", "sub", "sub/main.py"}
        assert {entry.uid for entry in entries.values()} == {0}
        assert entries["link"].linkname == "sub/main.py"
        content = archive.extractfile(dockerfile)
        assert content
        assert content.read() == context.dockerfile.read_bytes()
