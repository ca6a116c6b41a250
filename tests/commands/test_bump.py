"""The verb `bump`, as a person or a pre-commit hook runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy_action.sandbox.scene import ROOT

XML = (ROOT / "addin" / "manifest.xml").read_bytes()
JSON = b"""{
\t"manifestVersion": "1.17",
\t"version": "2.4.9",
\t"extensions": [
\t\t{"runtimes": [{"code": {
\t\t\t"page": "https://addin.contoso.com/page.html?v=2.4.9",
\t\t\t"script": "https://addin.contoso.com/launch.js?v=2.4.9"
\t\t}}]}
\t]
}"""
ALLOWED = b'{"allowed": [\n  "https://addin.contoso.com/launch.js?v=2.4.9",\n  "https://x"\n]}\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with an XML and a JSON manifest of one add-in."""
    (tmp_path / "manifest.xml").write_bytes(XML)
    (tmp_path / "manifest.json").write_bytes(JSON)
    return tmp_path


def bump(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "deploy_action", "bump", *words]
    return subprocess.run(
        command, cwd=home, env=environment, check=False, capture_output=True, text=True
    )


def files(home: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(home.rglob("*")) if file.is_file()]


def test_it_raises_the_last_part_and_shows_a_diff(home: Path) -> None:
    (home / "manifest.xml").chmod(0o755)
    done = bump(home, "manifest.xml")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("manifest.xml: 1.3.0.2 → 1.3.0.3\n")
    assert "- <Version>1.3.0.2</Version>" in done.stdout
    assert "+ <Version>1.3.0.3</Version>" in done.stdout
    assert (home / "manifest.xml").read_bytes() == XML.replace(b"1.3.0.2", b"1.3.0.3")
    assert (home / "manifest.xml").stat().st_mode & 0o777 == 0o755


def test_several_at_once_each_by_its_own_rules(home: Path) -> None:
    done = bump(home, "manifest.xml", "manifest.json")

    assert done.returncode == 0, done.stderr
    assert b"<Version>1.3.0.3</Version>" in (home / "manifest.xml").read_bytes()
    assert (home / "manifest.json").read_bytes() == JSON.replace(b"2.4.9", b"2.4.10")


def test_a_check_writes_nothing_and_can_be_read_by_programs(home: Path) -> None:
    before = files(home)
    done = bump(home, "manifest.xml", "manifest.json", "--part", "minor", "--check", "--json")
    told = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert files(home) == before
    assert [(one["file"], one["old-version"], one["new-version"]) for one in told] == [
        ("manifest.xml", "1.3.0.2", "1.4.0.0"),
        ("manifest.json", "2.4.9", "2.5.0"),
    ]
    assert {edit["new"] for edit in told[1]["edits"]} >= {"2.5.0"}
    assert all(edit["line"] > 0 for edit in told[0]["edits"])


def test_a_version_can_be_set_once_and_again(home: Path) -> None:
    first = bump(home, "manifest.xml", "--set", "1.9.0.0")
    between = files(home)
    second = bump(home, "manifest.xml", "--set", "1.9.0.0")

    assert first.returncode == second.returncode == 0
    assert "has 1.9.0.0 already" in second.stdout
    assert files(home) == between


def test_addresses_can_be_given_the_parameter_or_left(home: Path) -> None:
    plain = JSON.replace(b"page.html?v=2.4.9", b"page.html")
    (home / "manifest.json").write_bytes(plain)
    added = bump(home, "manifest.json", "--url-mode", "add")
    assert b"page.html?v=2.4.10" in (home / "manifest.json").read_bytes(), added.stderr

    (home / "manifest.json").write_bytes(JSON)
    bump(home, "manifest.json", "--url-mode", "off")
    left = (home / "manifest.json").read_bytes()
    assert left == JSON.replace(b'"2.4.9"', b'"2.4.10"')


@pytest.mark.parametrize("choice", ["error", "warn", "update"])
def test_the_list_of_allowed_scripts_is_minded(home: Path, choice: str) -> None:
    file = home / "site" / ".well-known" / "microsoft-officeaddins-allowed.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(ALLOWED)
    before = files(home)
    done = bump(home, "manifest.json", "--allowed-list", choice)
    name = "site/.well-known/microsoft-officeaddins-allowed.json"

    if choice == "error":
        assert done.returncode == 2
        assert f"{name} names an event script's address that changes" in done.stderr
        assert files(home) == before
    else:
        assert done.returncode == 0, done.stderr
        assert name in done.stdout
        renewed = ALLOWED.replace(b"2.4.9", b"2.4.10")
        assert file.read_bytes() == (renewed if choice == "update" else ALLOWED)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.xml"], "none.xml: Input manifest: 'none.xml' does not exist"),
        (
            ["manifest.xml", "--set", "1.2"],
            "manifest.xml:9:12: Manifest 'manifest.xml' has version",
        ),
        (["manifest.xml", "--set", "x"], "'x' is no version"),
        (["manifest.json", "--part", "build"], "manifest.json:3:14: Manifest 'manifest.json' is a"),
        (["manifest.json", "--set", "3.0.0.1"], "has three numbers; 3.0.0.1 has four"),
        (["manifest.xml", "bad.xml"], "bad.xml:1:1: Manifest 'bad.xml' is no Office add-in"),
        (["manifest.xml", "link.xml"], "'link.xml' is no plain file"),
    ],
)
def test_what_cannot_be_raised_changes_not_one_byte(
    home: Path, words: list[str], sentence: str
) -> None:
    (home / "bad.xml").write_text("<manifest/>")
    (home / "link.xml").symlink_to("manifest.xml")
    before = files(home)
    done = bump(home, *words)

    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert files(home) == before


def test_in_a_workflow_a_refusal_stands_at_its_line(home: Path) -> None:
    done = bump(home, "manifest.xml", "--set", "1.2", GITHUB_ACTIONS="true")

    assert done.returncode == 2
    assert "::error title=Manifest,file=manifest.xml,line=9,col=12::" in done.stderr
