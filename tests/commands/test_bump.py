"""The command `bump`, as a user or a pre-commit hook runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy_action.cli import main
from tests.support.paths import ROOT
from tests.support.report_schema import read_report

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
        command,
        cwd=home,
        env=environment,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def files(home: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(home.rglob("*")) if file.is_file()]


def test_bump_raises_the_last_part_and_shows_a_diff(home: Path) -> None:
    (home / "manifest.xml").chmod(0o755)
    done = bump(home, "manifest.xml")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("manifest.xml: 1.3.0.2 -> 1.3.0.3\n")
    assert "- <Version>1.3.0.2</Version>" in done.stdout
    assert "+ <Version>1.3.0.3</Version>" in done.stdout
    assert (home / "manifest.xml").read_bytes() == XML.replace(b"1.3.0.2", b"1.3.0.3")
    assert (home / "manifest.xml").stat().st_mode & 0o777 == 0o755


def test_bump_writes_a_report_and_a_log(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    temp = tmp_path_factory.mktemp("runner")
    good = bump(home, "manifest.xml", RUNNER_TEMP=str(temp), DEPLOY_ACTION_TOKEN="one")
    bad = bump(home, "nothing.xml", RUNNER_TEMP=str(temp), DEPLOY_ACTION_TOKEN="two")
    reports = [
        read_report(temp / f"deploy-action-report-{name}" / "report.json")
        for name in ("one", "two")
    ]

    assert (good.returncode, bad.returncode) == (0, 2)
    assert reports[0]["bumped"][0]["new-version"] == "1.3.0.3"
    assert [report["result"] for report in reports] == ["ok", "invalid"]
    assert "nothing.xml" in reports[1]["reason"]
    logs = [
        (temp / f"deploy-action-report-{name}" / "deployment.log").read_text("utf-8")
        for name in ("one", "two")
    ]
    assert "info    bump      " in logs[0]
    assert "1.3.0.3" in logs[0]
    assert "nothing.xml" in logs[1]


def test_several_manifests_are_bumped_each_by_its_own_rules(home: Path) -> None:
    done = bump(home, "manifest.xml", "manifest.json")

    assert done.returncode == 0, done.stderr
    assert b"<Version>1.3.0.3</Version>" in (home / "manifest.xml").read_bytes()
    assert (home / "manifest.json").read_bytes() == JSON.replace(b"2.4.9", b"2.4.10")


def test_check_writes_nothing_and_json_lists_the_edits(home: Path) -> None:
    before = files(home)
    done = bump(home, "manifest.xml", "manifest.json", "--part", "minor", "--check", "--json")
    results = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert files(home) == before
    assert [(item["file"], item["old-version"], item["new-version"]) for item in results] == [
        ("manifest.xml", "1.3.0.2", "1.4.0.0"),
        ("manifest.json", "2.4.9", "2.5.0"),
    ]
    assert {edit["new"] for edit in results[1]["edits"]} >= {"2.5.0"}
    assert all(edit["line"] > 0 for edit in results[0]["edits"])


def test_setting_the_same_version_twice_changes_nothing(home: Path) -> None:
    first = bump(home, "manifest.xml", "--set", "1.9.0.0")
    between = files(home)
    second = bump(home, "manifest.xml", "--set", "1.9.0.0")

    assert first.returncode == second.returncode == 0
    assert "already at 1.9.0.0" in second.stdout
    assert files(home) == between


def test_url_mode_adds_the_parameter_or_keeps_all_urls(home: Path) -> None:
    plain = JSON.replace(b"page.html?v=2.4.9", b"page.html")
    (home / "manifest.json").write_bytes(plain)
    added = bump(home, "manifest.json", "--url-mode", "add")
    assert b"page.html?v=2.4.10" in (home / "manifest.json").read_bytes(), added.stderr

    (home / "manifest.json").write_bytes(JSON)
    bump(home, "manifest.json", "--url-mode", "off")
    remaining = (home / "manifest.json").read_bytes()
    assert remaining == JSON.replace(b'"2.4.9"', b'"2.4.10"')


@pytest.mark.parametrize("choice", ["error", "warn", "update"])
def test_the_allowed_list_is_checked(home: Path, choice: str) -> None:
    file = home / "site" / ".well-known" / "microsoft-officeaddins-allowed.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(ALLOWED)
    before = files(home)
    done = bump(home, "manifest.json", "--allowed-list", choice)
    name = "site/.well-known/microsoft-officeaddins-allowed.json"

    if choice == "error":
        assert done.returncode == 2
        assert f"{name} names a script URL that changes" in done.stderr
        assert files(home) == before
    else:
        assert done.returncode == 0, done.stderr
        assert name in done.stdout
        renewed = ALLOWED.replace(b"2.4.9", b"2.4.10")
        assert file.read_bytes() == (renewed if choice == "update" else ALLOWED)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.xml"], "none.xml: Manifest 'none.xml' does not exist"),
        (
            ["manifest.xml", "--set", "1.2"],
            "manifest.xml:9:12: Manifest 'manifest.xml' has version",
        ),
        (["manifest.xml", "--set", "x"], "Option --set: 'x' is not a version"),
        (["manifest.json", "--part", "build"], "manifest.json:3:14: Manifest 'manifest.json' is a"),
        (["manifest.json", "--set", "3.0.0.1"], "has three numbers, but 3.0.0.1 has four"),
        (["manifest.xml", "bad.xml"], "bad.xml:1:1: Manifest 'bad.xml' is not an Office add-in"),
        (["manifest.xml", "link.xml"], "'link.xml' is not a regular file"),
    ],
)
def test_a_refusal_changes_no_file(home: Path, words: list[str], sentence: str) -> None:
    (home / "bad.xml").write_text("<manifest/>")
    (home / "link.xml").symlink_to("manifest.xml")
    before = files(home)
    done = bump(home, *words)

    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert files(home) == before


def test_in_a_workflow_a_refusal_is_annotated_at_its_line(home: Path) -> None:
    done = bump(home, "manifest.xml", "--set", "1.2", GITHUB_ACTIONS="true")

    assert done.returncode == 2
    assert "::error title=Manifest,file=manifest.xml,line=9,col=12::" in done.stderr


# -- paths -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["../manifest.xml", "./../manifest.xml", "absolute"])
def test_a_manifest_outside_the_folder_may_be_given_in_any_spelling(
    home: Path, spelling: str
) -> None:
    (home / "scripts").mkdir()
    name = str(home / "manifest.xml") if spelling == "absolute" else spelling
    done = bump(home / "scripts", name)

    assert done.returncode == 0, done.stderr
    assert b"<Version>1.3.0.3</Version>" in (home / "manifest.xml").read_bytes()


def test_one_file_in_two_spellings_is_bumped_once(home: Path) -> None:
    done = bump(home, "manifest.xml", "./manifest.xml", str(home / "manifest.xml"))

    assert done.returncode == 0, done.stderr
    assert b"<Version>1.3.0.3</Version>" in (home / "manifest.xml").read_bytes()


@pytest.mark.parametrize("where", ["inside", "outside"])
def test_the_allowed_list_is_searched_from_the_repository_root(home: Path, where: str) -> None:
    (home / ".git").mkdir()
    (home / "addin").mkdir()
    (home / "manifest.json").rename(home / "addin" / "manifest.json")
    file = home / "site" / ".well-known" / "microsoft-officeaddins-allowed.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(ALLOWED)
    folder = home / "addin" if where == "inside" else home.parent
    done = bump(folder, str(home / "addin" / "manifest.json"), "--allowed-list", "update")

    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == ALLOWED.replace(b"2.4.9", b"2.4.10")


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "1.4.0.0", "--part", "minor"], "Options --set and --part cannot be combined"),
        (["--set", ""], "Option --set: '' is not a version"),
        (["--url-parameter", 'v"'], "Option --url-parameter: 'v\"' cannot be"),
        (["--origin", "https://cdn.contoso.com"], "Option --origin: no URL of manifest.xml is on"),
        (["--origin", "contoso"], "Option --origin: no URL of manifest.xml is on 'contoso'"),
        (["--set", "1.3.0.99999999"], "is not a version"),
    ],
)
def test_an_invalid_option_is_refused(home: Path, words: list[str], sentence: str) -> None:
    before = files(home)
    done = bump(home, "manifest.xml", *words)

    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr
    assert files(home) == before


def test_an_origin_is_needed_in_one_manifest_only(home: Path) -> None:
    content = JSON.replace(b"addin.contoso.com/page", b"other.contoso.com/page")
    (home / "manifest.json").write_bytes(content)
    done = bump(home, "manifest.xml", "manifest.json", "--origin", "https://other.contoso.com")

    assert done.returncode == 0, done.stderr


def test_setting_the_current_version_updates_outdated_urls(home: Path) -> None:
    outdated = XML.replace(b"taskpane.html?v=1.3.0.2", b"taskpane.html?v=1.3.0.1")
    (home / "manifest.xml").write_bytes(outdated)
    done = bump(home, "manifest.xml", "--set", "1.3.0.2")

    assert done.returncode == 0, done.stderr
    assert "1.3.0.2, outdated URLs updated" in done.stdout
    assert (home / "manifest.xml").read_bytes() == XML


# -- no traceback for any input --------------------------------------------------------------------


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "folder": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "loop": lambda path: path.symlink_to(path.name),
    "empty": lambda path: path.write_bytes(b""),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "too large": lambda path: path.write_bytes(b" " * (1 << 21)),
    "surrogate": lambda path: path.write_bytes(JSON.replace(b"page.html", rb"\ud800?w=2.4.9")),
    "long number": lambda path: path.write_bytes(JSON[:-1] + b',"n":' + b"9" * 5000 + b"}"),
    "deep": lambda path: path.write_bytes(b'{"a":' * 100_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_no_file_and_no_terminal_causes_a_traceback(home: Path, kind: str, encoding: str) -> None:
    UNREADABLE[kind](home / "odd → ü")
    done = bump(home, "odd → ü", PYTHONIOENCODING=encoding)

    assert done.returncode in {0, 2}
    assert "Traceback" not in done.stderr
    assert done.stdout or done.stderr


ODD = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    name=ODD,
    parameter=ODD,
    origin=ODD,
    version=st.none() | ODD,
    mode=st.sampled_from(["refresh", "add", "off"]),
)
def test_no_options_cause_a_traceback(
    name: str, parameter: str, origin: str, version: str | None, mode: str
) -> None:
    """Runs in this process, because starting a process for each call takes a second."""
    words = [
        "bump",
        "--url-parameter",
        parameter,
        "--origin",
        origin,
        "--url-mode",
        mode,
        "--check",
    ]
    words += ["--set", version] if version is not None else []
    result = CliRunner().invoke(main, [*words, "--", name, str(ROOT / "addin" / "manifest.xml")])

    assert result.exit_code in {0, 2}
    assert result.exception is None or isinstance(result.exception, SystemExit)
