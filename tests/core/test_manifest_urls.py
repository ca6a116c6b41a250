"""Every code page of a manifest is updated or listed with its option; one URL per page."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.manifest import edit
from deploy_action.core.manifest.address import origin, request_path
from deploy_action.core.manifest.rules import COMMAND_OPTIONS, Match, Rules, UrlMode
from deploy_action.core.manifest.version import Version
from deploy_action.errors import InputError

OWN = "https://addin.contoso.com"
V, NEXT = "?v=1.3.0.2", "?v=1.3.0.3"
HEAD = f"""<OfficeApp xmlns="http://schemas.microsoft.com/office/appforoffice/1.1"
  xmlns:bt="http://schemas.microsoft.com/office/officeappbasictypes/1.0">
<Version>1.3.0.2</Version>
<SourceLocation DefaultValue="{OWN}/home.html{V}"/>
"""


def xml(inner: str, head: str = HEAD) -> bytes:
    return f"{head}{inner}</OfficeApp>".encode()


def url(address: str, name: str = "u", inner: str = "") -> str:
    return f'<bt:Url id="{name}" DefaultValue="{address}">{inner}</bt:Url>'


def unified(*pages: str, **code: str) -> bytes:
    runtimes = [{"code": {"page": page}} for page in pages]
    tree = {
        "manifestVersion": "1.17",
        "version": "1.3.2",
        "extensions": [{"runtimes": [*runtimes, {"code": code}]}],
    }
    return json.dumps(tree, indent=1).encode()


def add(**more: object) -> Rules:
    return Rules(mode=UrlMode.ADD, options=COMMAND_OPTIONS, **more)  # type: ignore[arg-type]


def plan(content: bytes, rules: Rules | None = None, target: str = "") -> edit.Bump:
    version = Version.parse(target) if target else None
    return edit.plan(content, file="m", target=version, rules=rules or Rules())


def notes(bump: edit.Bump) -> list[str]:
    return [note.text for note in bump.warnings]


PLACEHOLDERS = [
    "{BASE}",
    "${X}",
    "#{X}#",
    "#{X}",
    "[X]",
    "$(X)",
    "%X%",
    "{{X}}",
    "${{X}}",
    "__X__",
    "@@X@@",
    "~remoteAppUrl",
    "{a ? b # c}",
]


@pytest.mark.parametrize("base", PLACEHOLDERS)
@pytest.mark.parametrize("form", ["{}/page.html", "https://{}/page.html", "https://{}"])
def test_a_placeholder_counts_as_an_origin_and_is_never_changed(base: str, form: str) -> None:
    page = form.replace("{}", base, 1)
    own = HEAD.replace(f"{OWN}/home.html{V}", form.replace("{}", base, 1).replace("page", "home"))
    bump = plan(xml(url(page), own), add())

    assert f'DefaultValue="{page}{NEXT}"'.encode() in bump.after
    assert notes(bump) == []


@pytest.mark.parametrize("base", [*PLACEHOLDERS, "https://cdn.contoso.com", f"{OWN}:8443"])
def test_a_page_on_another_origin_is_listed_with_the_option_that_includes_it(base: str) -> None:
    content = xml(url(f"{base}/page.html"))
    listed = plan(content, add())
    included = plan(content, add(origins=(base,)))

    assert f'"{base}/page.html"'.encode() in listed.after
    assert [text for text in notes(listed) if f"--origin {base}" in text]
    assert f'"{base}/page.html{NEXT}"'.encode() in included.after
    assert notes(included) == []
    assert included.unused_origins == ()


@pytest.mark.parametrize("page", ["page.html", "/page.html", "?BASE?/page.html", "|X|/page.html"])
def test_a_page_without_a_recognisable_origin_is_listed_too(page: str) -> None:
    bump = plan(xml(url(page)), add())

    assert any("without a recognisable origin" in text for text in notes(bump))


def test_in_refresh_mode_a_foreign_page_with_the_parameter_is_listed() -> None:
    bump = plan(xml(url("https://cdn.contoso.com/a.html?v=7")))

    assert any("add 'https://cdn.contoso.com' to the input url-origins" in t for t in notes(bump))


def test_an_origin_that_no_url_has_is_returned() -> None:
    rules = Rules(origins=("https://cdn.contoso.com", "cdn.contoso.com", OWN))

    assert plan(xml(""), rules).unused_origins == ("https://cdn.contoso.com", "cdn.contoso.com")


# -- one URL per page ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [UrlMode.REFRESH, UrlMode.ADD])
def test_a_page_with_and_without_the_parameter_gets_one_url(mode: UrlMode) -> None:
    rules = Rules(mode=mode)
    in_xml = plan(xml(url(f"{OWN}/home.html")), rules)
    in_json = plan(unified(f"{OWN}/a.html?v=1.3.2", f"{OWN}/a.html"), rules)

    assert in_xml.after.count(f"{OWN}/home.html{NEXT}".encode()) == 2
    assert in_json.after.count(f"{OWN}/a.html?v=1.3.3".encode()) == 2


def test_the_parameter_is_added_where_the_same_page_has_it() -> None:
    content = xml(url(f"{OWN}/a.html?v=1.3.0.2&amp;t=2") + url(f"{OWN}/a.html?t=2#top"))

    assert plan(content, add()).after.count(f"{OWN}/a.html{NEXT}&amp;t=2".encode()) == 2


def test_a_value_that_is_no_version_keeps_both_urls_and_is_listed_with_the_option() -> None:
    content = xml(url(f"{OWN}/a.html?v=beta") + url(f"{OWN}/a.html"))
    listed = plan(content, add())
    replaced = plan(content, add(match=Match.ANY))

    assert b"a.html?v=beta" in listed.after
    assert b'a.html"' in listed.after
    assert any("--url-match any" in text for text in notes(listed))
    assert replaced.after.count(f"{OWN}/a.html{NEXT}".encode()) == 2


def test_one_page_written_in_two_ways_is_reported() -> None:
    content = xml(url(f"{OWN}/a.html{V}&amp;t=2") + url(f"{OWN}/a.html?t=2&amp;v=1.3.0.2"))

    assert any("a browser caches it twice" in text for text in notes(plan(content)))


def test_a_parameter_without_a_value_gets_one_with_match_any() -> None:
    bump = plan(xml(url(f"{OWN}/a.html?v")), Rules(match=Match.ANY))

    assert f"{OWN}/a.html{NEXT}".encode() in bump.after


# -- XML and JSON alike ----------------------------------------------------------------------------


def test_a_locale_override_has_the_role_of_its_parent() -> None:
    override = '<bt:Override Locale="de-de" Value="{}"/>'
    help_page = url(f"{OWN}/help", "h", override.replace("{}", f"{OWN}/hilfe{V}"))
    script = url(f"{OWN}/l.js{V}", "s", override.replace("{}", f"{OWN}/l-de.js{V}"))
    users = '<LearnMoreUrl resid="h"/><Override type="javascript" resid="s"/>'
    bump = plan(xml(help_page + script + users), add())

    assert f"{OWN}/hilfe{V}".encode() in bump.after
    assert bump.runtime == (
        (f"{OWN}/l.js{V}", f"{OWN}/l.js{NEXT}"),
        (f"{OWN}/l-de.js{V}", f"{OWN}/l-de.js{NEXT}"),
    )


def test_a_locale_override_of_the_source_location_is_an_own_origin() -> None:
    override = '<Override Locale="de-de" Value="https://de.contoso.com/home.html"/>'
    head = HEAD.replace(f'{V}"/>', f'{V}">{override}</SourceLocation>')
    bump = plan(xml(url("https://de.contoso.com/a.html"), head), add())

    assert f"https://de.contoso.com/home.html{NEXT}".encode() in bump.after
    assert f"https://de.contoso.com/a.html{NEXT}".encode() in bump.after


def test_scripts_and_data_are_treated_alike_in_xml_and_json() -> None:
    users = (
        '<Script><SourceLocation resid="s"/></Script>'
        '<Metadata><SourceLocation resid="d"/></Metadata><Page><SourceLocation resid="p"/></Page>'
    )
    urls = url(f"{OWN}/f.js", "s") + url(f"{OWN}/f.json", "d") + url(f"{OWN}/f.html", "p")
    in_xml = plan(xml(urls + users), add())
    in_json = plan(unified(f"{OWN}/f.html", script=f"{OWN}/f.js"), add())
    with_scripts = plan(xml(urls + users), add(runtime=True))

    for bump, page in ((in_xml, f"f.html{NEXT}"), (in_json, "f.html?v=1.3.3")):
        assert page.encode() in bump.after
        assert b'f.js"' in bump.after
        assert any("--add-runtime" in text for text in notes(bump))
    assert b'f.json"' in in_xml.after
    assert f"f.js{NEXT}".encode() in with_scripts.after


def test_the_old_version_in_any_text_of_an_xml_manifest_is_reported() -> None:
    bump = plan(xml("<Resource>api://addin.contoso.com/1.3.0.2</Resource>"))

    assert any("api://addin.contoso.com/1.3.0.2" in text for text in notes(bump))


# -- setting a version -----------------------------------------------------------------------------


def test_setting_the_current_version_updates_outdated_urls_only() -> None:
    content = xml(url(f"{OWN}/a.html?v=1.3.0.1"))
    bump = plan(content, target="1.3.0.2")

    assert bump.after == content.replace(b"?v=1.3.0.1", b"?v=1.3.0.2")
    assert bump.changed
    assert not plan(bump.after, target="1.3.0.2").changed


@pytest.mark.parametrize("name", ['v"', "v&w", "", "v w", "v=", "vé", "#"])
def test_an_impossible_parameter_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a query parameter"):
        plan(xml(""), Rules(parameter=name))


# -- messages --------------------------------------------------------------------------------------

NO_NAMESPACE = HEAD.replace('xmlns="http://schemas.microsoft.com/office/appforoffice/1.1"', "")
MESSAGES = [
    (xml("<% if (x) { %>"), 5, "is a template: line 5 has '<%'", "generated manifest"),
    (xml("", NO_NAMESPACE), 1, "OfficeApp with no namespace", 'Add xmlns="http://schemas'),
    (
        b'{"manifestVersion": 2, // web part\n "version": "*"}',
        1,
        "a SharePoint manifest",
        "add-in's own manifest",
    ),
    (
        b'{"$schema": "https://x/json-schemas/spfx/c.json",\n"id": "1"}',
        1,
        "a SharePoint manifest",
        "add-in's own manifest",
    ),
    (
        b'{"manifestVersion": "1",\n "version": "1.0.0",\n "version": "1.0.1"}',
        3,
        "the key 'version' twice in one object, on lines 2 and 3",
        "Remove one",
    ),
    (xml("", HEAD.replace(">1.3.0.2<", ">1.3.0.99999<")), 3, "at its maximum, 99999", "--carry"),
    (xml("", HEAD.replace(">1.3.0.2<", ">#{V}#<")), 3, "is a template", "generated manifest"),
    (b"", 1, "is empty", "Specify the path"),
    (b"version: 1\n", 1, "is neither XML nor JSON", "Specify the path"),
]


@pytest.mark.parametrize(("content", "line", "problem", "remedy"), MESSAGES)
def test_a_refusal_names_the_file_the_line_the_problem_and_a_remedy(
    content: bytes, line: int, problem: str, remedy: str
) -> None:
    with pytest.raises(InputError) as refused:
        edit.plan(content, file="addin/m", rules=Rules(options=COMMAND_OPTIONS))

    error = refused.value
    assert problem in error.message
    assert remedy in error.hint
    assert error.message.startswith("Manifest 'addin/m'")
    assert error.place is not None
    assert (error.place.file, error.place.line) == ("addin/m", line)


@pytest.mark.parametrize("name", ["UTF-16LE", "utf-16le", "UTF-16"])
def test_either_name_of_utf_16_may_be_declared(name: str) -> None:
    text = f'<?xml version="1.0" encoding="{name}"?>\n{xml("").decode()}'
    content = b"\xff\xfe" + text.encode("utf-16-le")

    assert plan(content).after == b"\xff\xfe" + text.replace("1.3.0.2", "1.3.0.3").encode(
        "utf-16-le"
    )


def test_the_largest_manifests_are_planned() -> None:
    """One line of 15,000 URLs and one object of 15,000 keys; each byte is read once."""
    more = ",".join(f'"k{number}":0' for number in range(15_000))
    keys = unified(OWN).replace(b'"version"', f'{more},"version"'.encode(), 1)
    urls = xml("".join(url(f"{OWN}/{number}.html{V}") for number in range(9_000)))

    assert len(plan(keys).edits) == 1
    assert len(plan(urls).edits) == 9_002


# -- laws ------------------------------------------------------------------------------------------

BASES = st.sampled_from([OWN, OWN.upper(), f"{OWN}:443", "https://cdn.example", *PLACEHOLDERS])
PATHS = st.sampled_from(["", "/", "/a.html", "/b.html"])
PAIRS = st.lists(
    st.sampled_from(["v=1.3.0.2", "v=7", "v=beta", "v", "t=1", "", "a={{V}}", "w=%41"]), max_size=3
)
FRAGMENTS = st.sampled_from(["", "#", "#/x?v=1.3.0.2"])
URLS = st.builds(
    lambda base, path, pairs, tail: base + path + ("?" + "&amp;".join(pairs)) * bool(pairs) + tail,
    BASES,
    PATHS,
    PAIRS,
    FRAGMENTS,
)


@given(st.lists(URLS, max_size=6), st.sampled_from(UrlMode), st.sampled_from(Match))
def test_every_page_is_updated_or_listed(pages: list[str], mode: UrlMode, match: Match) -> None:
    content = xml("\n".join(url(page) for page in pages))
    bump = plan(content, Rules(mode=mode, match=match))
    again = plan(bump.after, Rules(mode=mode, match=match), target="1.3.0.3")
    first = 5  # the line of the first page
    old, new = content.decode().split("\n"), bump.after.decode().split("\n")
    listed = {note.line for note in bump.warnings}

    assert not again.changed
    assert len(old) == len(new)
    for number, page in enumerate(pages):
        line = first + number
        carries = "v=1.3.0.2" in page.partition("#")[0]
        if mode is not UrlMode.OFF and (mode is UrlMode.ADD or carries):
            assert old[line - 1] != new[line - 1] or line in listed, page


@given(st.text(max_size=60))
def test_any_text_has_an_origin_and_a_path(text: str) -> None:
    assert request_path(text).startswith("/")
    assert isinstance(origin(text), str)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_planned_or_refused(content: bytes) -> None:
    for whole in (
        content,
        xml("").replace(b"</OfficeApp>", content),
        b'{"manifestVersion"' + content,
    ):
        with contextlib.suppress(InputError):
            plan(whole)
