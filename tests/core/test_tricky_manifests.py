"""Edge cases collected from real manifests, one numbered row each.

The version goes from 1.3.0.2 to 1.3.0.3 unless stated. A row has only the relevant part; the rest
of the manifest is ordinary. It states the changes, or why the manifest is refused.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.manifest import edit
from deploy_action.core.manifest.edit import Bump
from deploy_action.core.manifest.rules import Match, Rules, UrlMode
from deploy_action.core.manifest.version import Part, Version
from deploy_action.errors import InputError

OWN = "https://addin.contoso.com"
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<OfficeApp xmlns="http://schemas.microsoft.com/office/appforoffice/1.1"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:bt="http://schemas.microsoft.com/office/officeappbasictypes/1.0"
  xmlns:ov="http://schemas.microsoft.com/office/mailappversionoverrides" xsi:type="TaskPaneApp">
  <Id>05c2e1c9-3e1d-406e-9a91-e9ac64854143</Id>
  <Version>1.3.0.2</Version>
  <SourceLocation DefaultValue="{OWN}/home.html"/>
  HERE
</OfficeApp>
"""
JSON = """{
  "$schema": "https://developer.microsoft.com/json-schemas/teams/v1.17/MicrosoftTeams.schema.json",
  "manifestVersion": "1.17",
  "version": "1.0.0",
  "extensions": [{"runtimes": [{"code": {"page": "https://addin.contoso.com/home.html"}}]}],
  "more": HERE
}
"""
ADD, ANY = Rules(mode=UrlMode.ADD), Rules(match=Match.ANY)


def version(text: str) -> str:
    """Return a manifest with this version."""
    return XML.replace(">1.3.0.2<", f">{text}<")


def url(address: str, more: str = "") -> str:
    """A manifest with this address among its resources."""
    return XML.replace("HERE", f'<bt:Url id="Page.Url" DefaultValue="{address}"/>{more}')


def part(text: str) -> str:
    """A manifest with this below its root."""
    return XML.replace("HERE", text)


def unified(text: str) -> str:
    """Return a unified manifest with this version, quotes included."""
    return JSON.replace('"1.0.0"', text).replace("HERE", "{}")


def unified_with(value: str) -> str:
    """A unified manifest with one more value."""
    return JSON.replace("HERE", value)


@dataclass(frozen=True, slots=True)
class Case:
    """One row.

    Args:
        number: of the case.
        given: the manifest.
        changes: old and new text of the places that change; None where it is refused.
        refused: what the refusal says.
        warning: text of the expected warning; "" for none.
        rules: the options of the bump.
        target: the version to set.
        raised: the part to bump.
        encoding: of the file.
    """

    number: int
    given: str
    changes: tuple[tuple[str, str], ...] | None = ((">1.3.0.2<", ">1.3.0.3<"),)
    refused: str = ""
    warning: str | None = None
    rules: Rules = field(default_factory=Rules)
    target: str = ""
    raised: Part | None = None
    encoding: str = "utf-8"


def same(number: int, text: str, warning: str | None = None, rules: Rules | None = None) -> Case:
    """Return a row in which only the version changes."""
    return Case(number, text, warning=warning, rules=rules or Rules())


def both(number: int, text: str, old: str, new: str, rules: Rules | None = None) -> Case:
    """Return a row in which the version and one more place change."""
    return Case(number, text, ((">1.3.0.2<", ">1.3.0.3<"), (old, new)), rules=rules or Rules())


def to(number: int, old: str, new: str, warning: str | None = None) -> Case:
    """Return a row with another version before and after."""
    return Case(number, version(old), ((f">{old}<", f">{new}<"),), warning=warning)


def refused(number: int, text: str, why: str, encoding: str = "utf-8") -> Case:
    """Return a row that is refused."""
    return Case(number, text, None, refused=why, encoding=encoding)


V, NEXT = "?v=1.3.0.2", "?v=1.3.0.3"
PAGE = f"{OWN}/taskpane.html"
DOCTYPES = [
    "<!DOCTYPE OfficeApp>",
    '<!DOCTYPE OfficeApp [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
    '<!DOCTYPE OfficeApp SYSTEM "http://127.0.0.1:1/never-asked.dtd">',
    '<!DOCTYPE OfficeApp [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE OfficeApp [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p"> %p;]>',
]
LONG = f"{OWN}/{'a' * (2048 - len(OWN) - len('/?v=1'))}?v=1"
CASES = [
    both(1, url(PAGE + V), V, NEXT),
    to(2, "1.0", "1.0.0.1"),
    to(2, "7", "7.0.0.1"),
    to(2, "1.2.3", "1.2.3.1"),
    refused(3, version("1.0.0.99999"), "at its maximum, 99999"),
    Case(
        3,
        version("1.0.0.99999"),
        ((">1.0.0.99999<", ">1.0.1.0<"),),
        rules=Rules(carry=True),
    ),
    to(4, "1.0.0.65535", "1.0.0.65536", "a part above 65535"),
    to(5, "1.0.0.09", "1.0.0.10", "leading zeros"),
    to(5, "01.0.0.1", "01.0.0.2"),
    *(
        refused(6, version(text), "is not a version")
        for text in ("1.0.0-dev", "v1.0", "1.0.0.0.0", "1..0", "123456", "\u0661.\u0660")
    ),
    refused(7, version("{{VERSION}}"), "placeholder"),
    refused(7, version("${{V}}"), "placeholder"),
    refused(8, version("<%= version %>"), "is a template"),
    Case(
        9,
        version("\n    1.3.0.2\t"),
        (("\n    1.3.0.2\t", "\n    1.3.0.3\t"),),
        warning="whitespace around it",
    ),
    refused(10, version("<![CDATA[1.0.0.0]]>"), "markup inside"),
    refused(10, version("1.0<!-- . -->.0"), "markup inside"),
    refused(10, version("1&#46;0"), "markup inside"),
    refused(11, XML.replace("<Id>", "<Version>1.0</Version><Id>"), "two Version elements"),
    same(12, XML.replace("<Id>", "<!-- <Version>1.0.0.0</Version> --><Id>")),
    same(13, XML.replace("<Id>", '<x:Version xmlns:x="urn:x">9.9</x:Version><Id>')),
    same(13, part("<Requirements><Version>2.0</Version></Requirements>")),
    Case(
        14,
        '<ns0:OfficeApp xmlns:ns0="http://schemas.microsoft.com/office/appforoffice/1.1" '
        'xmlns:ns4="http://schemas.microsoft.com/office/officeappbasictypes/1.0">'
        f'<ns0:Version>1.3.0.2</ns0:Version><ns0:SourceLocation DefaultValue="{OWN}/"/>'
        f'<ns4:Url id="a" DefaultValue="{PAGE}{V}"/></ns0:OfficeApp>',
        ((">1.3.0.2<", ">1.3.0.3<"), (V, NEXT)),
    ),
    same(15, part('<a xmlns:ov="urn:v=1.3.0.2"/>')),
    same(16, part(r'<Rule RegExValue="https://youtu\.be/watch\?v=[a-z]{11}"/>')),
    both(17, url(f"{PAGE}{V}&amp;t=1727580300"), V, NEXT),
    both(18, url(f"{PAGE}?t=1&#38;v=1.3.0.2"), "&#38;v=1.3.0.2", "&#38;v=1.3.0.3"),
    both(18, url(f"{PAGE}?t=1&#x26;v=1.3.0.2"), "&#x26;v=1.3.0.2", "&#x26;v=1.3.0.3"),
    *(
        same(19, url(f"{PAGE}?{name}=1.3.0.2"), "contains 1.3.0.2")
        for name in ("ver", "V", "vv", "preview")
    ),
    both(20, url(f"{PAGE}{V}#/home"), V, NEXT),
    same(21, url(f"{PAGE}#/home{V}"), "contains 1.3.0.2"),
    same(22, url("https://localhost:3000?commands=1").replace(OWN, "https://localhost:3000")),
    both(
        22,
        url(f"{OWN}?commands=1").replace("/home.html", "/?v=x"),
        "?commands=1",
        "?commands=1&amp;v=1.3.0.3",
        ADD,
    ),
    both(23, url(f"{PAGE}?").replace("/home.html", "/?v=x"), f"{PAGE}?", f"{PAGE}{NEXT}", ADD),
    both(24, url(f"{PAGE}{V}&amp;v=1.3.0.2"), f"{V}&amp;v=1.3.0.2", f"{NEXT}&amp;v=1.3.0.3"),
    same(25, url(f"{PAGE}?v"), "is not a version"),
    same(25, url(f"{PAGE}?v="), "is not a version"),
    both(26, url(f"{PAGE}?v=1.3.0"), "?v=1.3.0", NEXT),
    both(27, url(f"{PAGE}?v=20260617"), "?v=20260617", NEXT),
    *(
        same(27, url(f"{PAGE}?v={text}"), "is not a version")
        for text in ("20260617-2", "diag1", "...1")
    ),
    both(27, url(f"{PAGE}?v=20260617-2"), "?v=20260617-2", NEXT, ANY),
    same(28, url(f"{PAGE}?v={{{{VERSION}}}}"), "is not a version"),
    same(28, url(f"{PAGE}?v=${{TIMESTAMP}}"), "is not a version"),
    same(29, url(f"{PAGE}?v=1%2E3%2E0%2E2"), "is not a version"),
    same(30, url(f"{PAGE}?a=1;v=1.3.0.2")),
    same(31, url("https://go.microsoft.com/fwlink/?LinkId=276812")),
    same(
        31,
        url("https://go.microsoft.com/fwlink/?LinkId=276812").replace("/home.html", "/?v=x"),
        rules=ADD,
    ),
    same(32, url(PAGE + V, '<LearnMoreUrl resid="Page.Url"/>')),
    both(33, url(PAGE + V, '<LearnMoreUrl resid="Page.Url"/><Action resid="Page.Url"/>'), V, NEXT),
    both(34, url(PAGE + V), V, NEXT),
    same(35, part(f"<AppDomain>{OWN}/1.3.0.2</AppDomain>"), "contains 1.3.0.2"),
    same(35, part(f'<SupportUrl DefaultValue="{OWN}/{V}"/>'), "contains 1.3.0.2"),
    same(35, part('<Scope Resource="api://addin/1.3.0.2"/>'), "contains 1.3.0.2"),
    same(36, part(f'<QueryUri DefaultValue="{OWN}/Define?word="/>')),
    same(
        36,
        part(f'<QueryUri DefaultValue="{OWN}/Define?word="/>').replace("/home.html", "/?v=x"),
        rules=ADD,
    ),
    same(
        37,
        part(f'<IconUrl DefaultValue="https://cdn.contoso.com/i.png{V}"/>'),
        "add 'https://cdn.contoso.com' to the input url-origins",
    ),
    both(
        37,
        part(f'<IconUrl DefaultValue="https://cdn.contoso.com/i.png{V}"/>'),
        V,
        NEXT,
        Rules(origins=("https://cdn.contoso.com",)),
    ),
    same(38, url(f"{OWN}:8443/a.html{V}"), "not on the add-in's own origin"),
    both(38, url(f"{OWN.upper()}/a.html{V}"), V, NEXT),
    both(39, url(f"~remoteAppUrl/a.html{V}").replace(OWN, "~remoteAppUrl"), V, NEXT),
    Case(
        40,
        part(
            f'<ov:VersionOverrides><bt:Url id="x" DefaultValue="{PAGE}{V}"/><VersionOverrides '
            f'xmlns="urn:1"><bt:Url id="x" DefaultValue="{PAGE}{V}"/></VersionOverrides>'
            "</ov:VersionOverrides>"
        ),
        (("1.3.0.2", "1.3.0.3"),),
    ),
    both(
        41,
        part(
            f'<bt:Url id="a" DefaultValue="{OWN}/"><bt:Override Locale="ar-sa" '
            f'Value="{OWN}/a.html?lcid=ar-sa&amp;v=1.3.0.2"/></bt:Url>'
        ),
        "&amp;v=1.3.0.2",
        "&amp;v=1.3.0.3",
    ),
    both(42, url(PAGE + V, '<Override type="javascript" resid="Page.Url"/>'), V, NEXT),
    same(
        42,
        url(PAGE, '<Override type="javascript" resid="Page.Url"/>').replace("/home.html", "/?v=x"),
        rules=ADD,
    ),
    same(43, part(f'<!-- <bt:Url id="c" DefaultValue="{PAGE}{V}"/> -->')),
    both(44, part(f"<bt:Url  id='q'\n\t DefaultValue = '{PAGE}{V}'\n/>"), V, NEXT),
    both(44, part(f'<bt:Url DefaultValue="{PAGE}{V}" id="order"/>'), V, NEXT),
    Case(
        45,
        url(f"\t{PAGE}{V}".strip()).replace("\n", "\r\n").replace("  ", "\t").rstrip(),
        (("1.3.0.2", "1.3.0.3"),),
        encoding="utf-8-sig",
    ),
    Case(
        46, url(PAGE + V).replace("UTF-8", "UTF-16"), (("1.3.0.2", "1.3.0.3"),), encoding="utf-16"
    ),
    Case(
        47,
        url(PAGE + V, "<a b='Üben mit Café'/>").replace("UTF-8", "windows-1252"),
        (("1.3.0.2", "1.3.0.3"),),
        encoding="windows-1252",
    ),
    refused(48, XML, "cannot be read|not well-formed", "utf-16-le"),
    refused(48, XML, "UTF-32", "utf-32"),
    refused(48, XML.replace("UTF-8", "UTF-7"), "utf-7"),
    refused(48, XML.replace("UTF-8", "cp037"), "cp037"),
    refused(48, "\ufeff" + XML, "without loss", "utf-8-sig"),
    refused(48, "x" + XML, "not well-formed"),
    *(
        refused(49, XML.replace("<OfficeApp", f"{text}\n<OfficeApp", 1), "has a DOCTYPE")
        for text in DOCTYPES
    ),
    *(
        refused(
            49,
            XML.replace("<OfficeApp", f"{text}\n<OfficeApp", 1).replace("UTF-8", "UTF-16"),
            "has a DOCTYPE",
            "utf-16",
        )
        for text in DOCTYPES
    ),
    refused(50, part("&unknown;"), "not well-formed"),
    refused(50, XML.replace("</OfficeApp>", "</Office>"), "not well-formed"),
    refused(50, part("\0"), "without loss"),
    refused(51, part("<a>" * 200_000), "nested too deeply"),
    refused(51, part(" " * 2 * 1024 * 1024), "the limit is 1048576"),
    refused(52, part('<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>'), "is signed"),
    refused(53, url(LONG), "longer than 2048"),
    Case(54, XML, (), target="1.3.0.2"),
    Case(54, XML, None, refused="is lower. Versions must not decrease", target="1.2.0.0"),
    Case(
        54,
        XML,
        ((">1.3.0.2<", ">1.2.0.0<"),),
        target="1.2.0.0",
        rules=Rules(allow_lower=True),
    ),
    both(63, part(f'<ExtendedOverrides Url="{OWN}/${{token.locale}}/x.json{V}"/>'), V, NEXT),
    same(64, part('<Description DefaultValue="since v=1.3.0.2"/>')),
    Case(65, unified('"1.0.0"'), (('"1.0.0"', '"1.0.1"'),)),
    *(
        refused(66, unified(f'"{text}"'), "three|not a version")
        for text in ("2.0.0.26", "1.0", "1.01.0", "1.0.0-beta", "1.0.0+7")
    ),
    refused(67, unified('"${{APP_VERSION}}"'), "placeholder"),
    refused(68, unified('"1.0.0",, "a": 1'), "not valid JSON"),
    refused(68, unified_with("[1, 2,]"), "not valid JSON"),
    refused(68, unified_with("1 // one"), "not valid JSON"),
    Case(
        69,
        unified_with('{"version": "1.0.0", "text": "\\"version\\": \\"1.0.0\\""}'),
        (('\n  "version": "1.0.0"', '\n  "version": "1.0.1"'),),
    ),
    refused(70, unified('"1.0.0", "version": "1.0.0"'), "'version' twice"),
    Case(
        71,
        unified('"1.0.0"').replace(f"{OWN}/home.html", r"https:\/\/a.example\/p?t=1\u0026v=2.0.0"),
        (('"1.0.0"', '"1.0.1"'), (r"\u0026v=2.0.0", r"\u0026v=1.0.1")),
    ),
    refused(72, '{"manifestVersion": 2, "version": "1.0.0"}', "a SharePoint manifest"),
    Case(
        73,
        unified_with('{"validDomains": ["a?v=1.0.0"], "developer": {"websiteUrl": "a?v=1.0.0"}}'),
        (('\n  "version": "1.0.0"', '\n  "version": "1.0.1"'),),
    ),
    refused(74, '<manifest package="com.example"/>', "not an Office add-in manifest"),
    refused(74, '{"manifest_version": 3, "version": "1.0"}', "a browser extension's manifest"),
]
# Cases about files and commits, and the tests that cover them.
ELSEWHERE = {
    55: "tests/core/test_manifest.py::test_a_bump_is_idempotent_and_changes_no_other_byte",
    56: "tests/scenarios/test_deploy.py::test_a_retry_reuses_the_same_version",
    57: "tests/adapters/test_manifest_file.py::test_restore_replaces_only_our_own_bytes",
    58: "tests/adapters/test_manifest_file.py::test_a_write_is_atomic_and_keeps_the_mode",
    59: "tests/adapters/test_manifest_file.py::test_a_link_is_refused",
    60: "tests/adapters/test_manifest_file.py::test_a_change_by_someone_else_is_kept",
    61: "tests/adapters/test_git_local.py::"
    "test_line_endings_are_committed_as_the_branch_stores_them",
    62: "tests/adapters/test_manifest_file.py::test_restore_replaces_only_our_own_bytes",
}


def encoded(case: Case, text: str) -> bytes:
    return text.encode(case.encoding)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}")
def test_a_tricky_case(case: Case) -> None:
    content = encoded(case, case.given.replace("HERE", ""))
    target = Version.parse(case.target) if case.target else None

    def planned() -> Bump:
        return edit.plan(content, file="m", target=target, part=case.raised, rules=case.rules)

    if case.changes is None:
        with pytest.raises(InputError, match=case.refused) as raised:
            planned()
        assert raised.value.exit_code == 2
        return
    bump = planned()
    expected = case.given.replace("HERE", "")
    for old, new in case.changes:
        assert old in expected, "the row itself is wrong"
        expected = expected.replace(old, new)

    assert bump.after == encoded(case, expected)
    assert bump.changed is bool(case.changes)
    if case.warning is not None:
        assert any(case.warning in note.text for note in bump.warnings), bump.warnings


def test_every_case_has_a_row() -> None:
    assert {case.number for case in CASES} | set(ELSEWHERE) == set(range(1, 75))
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        there = ast.walk(ast.parse(Path(file).read_text("utf-8")))
        assert name in {node.name for node in there if isinstance(node, ast.FunctionDef)}, place


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (version("1.0.0-dev"), 7, 12),
        (part('\n  <bt:Url id="a"\n\tDefaultValue="' + LONG + '"/>'), 11, 16),
        (XML.replace("</OfficeApp>", "</Office>"), 10, 3),
        (unified('"1.0"'), 4, 15),
        (unified_with("[1, 2,]"), 6, 17),
    ],
)
def test_a_refusal_names_line_and_column(text: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as raised:
        edit.plan(text.replace("HERE", "").encode(), file="addin/manifest.xml")

    assert raised.value.place is not None
    assert (raised.value.place.line, raised.value.place.column) == (line, column)
    assert re.match(r"addin/manifest\.xml:\d+:\d+", str(raised.value.place))


def test_a_mail_add_in_gets_a_warning_that_the_token_audience_changes() -> None:
    text = XML.replace("TaskPaneApp", "MailApp").replace("/home.html", f"/home.html{V}")
    bump = edit.plan(text.replace("HERE", "").encode(), file="m")

    assert any("audience" in note.text for note in bump.warnings)


def test_a_changed_script_url_is_returned_old_and_new() -> None:
    text = url(
        f"{OWN}/launch.js?a=1&amp;v=1.3.0.2", '<Override type="javascript" resid="Page.Url"/>'
    )
    bump = edit.plan(text.encode(), file="m")

    assert bump.runtime == ((f"{OWN}/launch.js?a=1&v=1.3.0.2", f"{OWN}/launch.js?a=1&v=1.3.0.3"),)


def test_url_mode_off_keeps_every_url() -> None:
    bump = edit.plan(url(PAGE + V).encode(), file="m", rules=Rules(mode=UrlMode.OFF))

    assert bump.after == url(PAGE + V).replace(">1.3.0.2<", ">1.3.0.3<").encode()


def test_the_parameter_name_can_be_chosen() -> None:
    rules = Rules(parameter="rev")
    bump = edit.plan(url(f"{PAGE}?rev=1.3.0.2&amp;v=1.3.0.2").encode(), file="m", rules=rules)

    assert b"?rev=1.3.0.3&amp;v=1.3.0.2" in bump.after


# -- laws of unified manifests ---------------------------------------------------------------------

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
QUERIES = st.sampled_from(
    ["", "?v=1.0.0", "?v=1.0", "?t=1&v=7", "?v=x", "?ver=1.0.0", "?v=1.0.0#a"]
)
PAGES = st.builds("{}{}{}".format, st.sampled_from([OWN, "https://x"]), TEXTS, QUERIES)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | PAGES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def without_version(page: str) -> str:
    """The page's URL without its version and the separator in front of it."""
    return re.sub(r"[?&]v=[\d.]+", "", page)


@given(
    pages=st.lists(PAGES, max_size=4),
    more=TREES,
    indent=st.sampled_from([None, 1, "\t"]),
    plain=st.booleans(),
)
def test_a_bump_of_a_unified_manifest_changes_only_its_version_and_own_pages(
    pages: list[str], more: object, indent: int | str | None, plain: bool
) -> None:
    runtimes = [{"code": {"page": f"{OWN}/home.html"}}, *({"code": {"page": p}} for p in pages)]
    tree = {
        "manifestVersion": "1.17",
        "version": "1.0.0",
        "more": more,
        "extensions": [{"runtimes": runtimes}],
    }
    content = json.dumps(tree, indent=indent, ensure_ascii=plain).encode()
    once = edit.plan(content, file="m")
    again = edit.plan(once.after, file="m", target=once.new)
    back = edit.plan(
        once.after, file="m", target=once.old, rules=Rules(mode=UrlMode.OFF, allow_lower=True)
    )
    now = json.loads(once.after)

    assert not again.changed
    assert once.after.count(b"\n") == content.count(b"\n")
    assert now["version"] == "1.0.1"
    assert now["more"] == more
    for old, new in zip(runtimes, now["extensions"][0]["runtimes"], strict=True):
        assert without_version(old["code"]["page"]) == without_version(new["code"]["page"])
    if len(once.edits) == 1:
        assert back.after == content
