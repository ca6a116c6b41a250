"""Path filters match as in a workflow's `paths:`, and as in git where the two agree."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy_action.core.path_filter import PathFilter


# From the filter pattern cheat sheet of GitHub Docs: pattern, paths that match, paths that do not.
@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*", ["README.md", "server.rb"], ["docs/file.md"]),
        ("*.jsx?", ["page.js", "page.jsx"], ["page.jsxx", "a/page.js"]),
        ("**", ["all/the/files.md", "x"], []),
        ("*.js", ["app.js", "index.js"], ["js/index.js"]),
        ("**.js", ["index.js", "js/index.js", "src/js/app.js"], ["index.jsx"]),
        ("docs/*", ["docs/README.md", "docs/file.txt"], ["docs", "other/docs/a"]),
        ("docs/**", ["docs/README.md", "docs/mona/octocat.txt"], ["docs", "a/docs/b"]),
        ("docs/**/*.md", ["docs/README.md", "docs/mona/hello-world.md", "docs/a/b.md"], ["a.md"]),
        ("**/docs/**", ["docs/hello.md", "dir/docs/my-file.txt", "s/docs/p/x.doc"], ["docsx/a"]),
        ("**/README.md", ["README.md", "js/README.md"], ["xREADME.md"]),
        ("**/*src/**", ["a/src/app.js", "my-src/code/js/app.js"], ["a/src2/b"]),
        ("**/*-post.md", ["my-post.md", "path/their-post.md"], ["my-post.mdx"]),
        ("**/migrate-*.sql", ["migrate-10909.sql", "db/migrate-v1.0.sql"], ["migrate.sql"]),
        ("addin/public/**/*.html", ["addin/public/a.html", "addin/public/x/y/a.html"], ["a.html"]),
        ("v[12].[0-9]+.txt", ["v1.0.txt", "v2.10.txt"], ["v3.0.txt", "v1..txt"]),
        ("[CB]at/a", ["Cat/a", "Bat/a"], ["cat/a"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a.html", ["a.html"], ["axhtml"]),
        # A folder, as in git; the spellings of one path are the same path.
        ("addin", ["addin/a", "addin/b/c", "addin"], ["addin2/a"]),
        ("addin/", ["addin/a", "addin/b/c"], ["addin2/a", "addin"]),
        ("./addin/*.html", ["addin/a.html"], ["addin/b/a.html"]),
        ("/addin/*.html", ["addin/a.html"], ["b/addin/a.html"]),
    ],
)
def test_a_pattern_matches_as_in_a_workflow(pattern: str, yes: list[str], no: list[str]) -> None:
    paths = PathFilter([pattern])

    assert [path for path in yes if not paths.matches(path)] == []
    assert [path for path in no if paths.matches(path)] == []


@pytest.mark.parametrize(
    ("patterns", "path", "counts"),
    [
        (["*.md", "!README.md"], "hello.md", True),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README.md", "README*"], "README.md", True),
        (["*.md", "!README.md", "README*"], "README.doc", True),
        (["!a/b.md", "a/**"], "a/b.md", True),
        (["a/**", "!a/test/**"], "a/test/x", False),
        (["a/**", "!a/test"], "a/test/x", False),
    ],
)
def test_the_last_matching_pattern_decides(patterns: list[str], path: str, *, counts: bool) -> None:
    assert PathFilter(patterns).matches(path) is counts


def test_patterns_that_match_nothing_are_returned_as_written() -> None:
    paths = PathFilter(["./addin/**", "adin/**", "!docs/**", "!test/**"])

    assert paths.unmatched(["addin/a.html", "docs/b.md"]) == ("adin/**", "!test/**")


@pytest.mark.parametrize("patterns", [["!a"], ["!a", "!b"], ["a["], ["[z-a]"]])
def test_invalid_patterns_are_refused(patterns: list[str]) -> None:
    with pytest.raises(ValueError, match="pattern"):
        PathFilter(patterns)


NAMES = st.sampled_from(["a", "b", "ab", "a.html", "b.md", ".x"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PARTS = st.sampled_from(["a", "b", "*", "**", "a*", "*.html", ".x", "[ab]"])
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(paths=st.lists(PATHS, max_size=8), pattern=PATTERNS)
def test_git_agrees(repository: Path, paths: list[str], pattern: str) -> None:
    """`git ls-files` with a glob pathspec selects the same paths."""
    files = [path for path in dict.fromkeys(paths) if not _is_folder(path, paths)]
    blob = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    lines = "".join(f"100644 {blob}\t{path}\n" for path in files)

    def git(*words: str, text: str = "") -> str:
        command = ["git", *words]
        done = subprocess.run(
            command, cwd=repository, input=text, capture_output=True, check=True, text=True
        )
        return done.stdout

    git("read-tree", "--empty")
    git("update-index", "--add", "--info-only", "--index-info", text=lines)
    selected = git("ls-files", "--", f":(glob){pattern}").splitlines()

    assert sorted(path for path in files if PathFilter([pattern]).matches(path)) == selected


def _is_folder(path: str, paths: list[str]) -> bool:
    return any(other.startswith(f"{path}/") for other in paths)


@given(st.lists(st.text(max_size=12), max_size=3), st.text(max_size=12))
def test_any_patterns_are_compiled_or_refused(patterns: list[str], path: str) -> None:
    with contextlib.suppress(ValueError):
        PathFilter(patterns).matches(path)


def test_patterns_may_be_relative_to_a_folder() -> None:
    paths = PathFilter(["addin/**", "!addin/docs/**"], below="apps/a+b")

    assert paths.matches("apps/a+b/addin/manifest.xml")
    assert not paths.matches("apps/a+b/addin/docs/readme.md")
    assert not paths.matches("addin/manifest.xml")
    assert not paths.matches("apps/aab/addin/manifest.xml")
