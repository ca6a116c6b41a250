"""Bumping a manifest: which bytes change, and that nothing else does.

Most cases are rows of a table: the manifest before and after the bump.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.manifest import edit
from deploy_action.core.manifest.version import Part, Version
from deploy_action.errors import InputError

OWN = "https://addin.contoso.com"
MARK = "<!--HERE-->"
BASE = f"""<?xml version="1.0" encoding="UTF-8"?>
<OfficeApp xmlns="http://schemas.microsoft.com/office/appforoffice/1.1"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xmlns:bt="http://schemas.microsoft.com/office/officeappbasictypes/1.0"
  xmlns:ov="http://schemas.microsoft.com/office/mailappversionoverrides" xsi:type="MailApp">
  <Id>05c2e1c9-3e1d-406e-9a91-e9ac64854143</Id>
  <Version>1.3.0.2</Version>
  <DisplayName DefaultValue="Well Intake"/>
  <SourceLocation DefaultValue="{OWN}/home.html"/>
  {MARK}
</OfficeApp>
"""


def with_(inner: str) -> str:
    """Return a manifest that has *inner* below its root."""
    return BASE.replace(MARK, inner)


def resource(address: str, *, id_: str = "Page.Url") -> str:
    return with_(f'<bt:Url id="{id_}" DefaultValue="{address}"/>')


def raised(text: str, *, encoding: str = "utf-8", **about: object) -> str:
    """Plan the next version; return the new text."""
    part = about.pop("part", None)
    assert part is None or isinstance(part, Part)
    bump = edit.plan(text.encode(encoding), file="addin/manifest.xml", part=part)
    return bump.after.decode(encoding)


def warnings(text: str) -> list[str]:
    bump = edit.plan(text.encode(), file="addin/manifest.xml")
    return [note.text for note in bump.warnings]


def only_the_version(text: str, new: str = "1.3.0.3") -> str:
    return re.sub(r"(<(?:\w+:)?Version>\s*)[\d.]+", rf"\g<1>{new}", text, count=1)


# -- the version -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.3.0.2", "1.3.0.3"),
        ("1.0", "1.0.0.1"),
        ("7", "7.0.0.1"),
        ("1.2.3", "1.2.3.1"),
        ("1.0.0.65535", "1.0.0.65536"),
        ("1.0.0.09", "1.0.0.10"),
        ("01.0.0.1", "01.0.0.2"),
        ("\n    1.3.0.2\t", "\n    1.3.0.3\t"),
    ],
)
def test_a_bump_changes_the_version_and_nothing_else(old: str, new: str) -> None:
    text = BASE.replace(">1.3.0.2<", f">{old}<")

    assert raised(text) == BASE.replace(">1.3.0.2<", f">{new}<")


@pytest.mark.parametrize(
    ("old", "warned"),
    [
        ("1.0.0.65535", "a part above 65535"),
        ("1.0.0.09", "leading zeros"),
        (" 1.0.0.1", "whitespace around it"),
    ],
)
def test_an_unusual_version_has_a_warning(old: str, warned: str) -> None:
    assert any(warned in text for text in warnings(BASE.replace(">1.3.0.2<", f">{old}<")))


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("1.0.0-dev", "is not a version"),
        ("v1.0", "is not a version"),
        ("1.0.0.0.0", "is not a version"),
        ("1..0", "is not a version"),
        ("123456", "is not a version"),
        ("\u0661.\u0660.\u0660.\u0661", "is not a version"),
        ("", "is not a version"),
        ("{{VERSION}}", "placeholder"),
        ("${{V}}", "placeholder"),
        ("<%= version %>", "is a template"),
        ("<![CDATA[1.0.0.0]]>", "markup inside"),
        ("1.0<!-- . -->.0.0", "markup inside"),
        ("1&#46;0.0.0", "markup inside"),
        ("1.0.0.99999", "at its maximum, 99999"),
    ],
)
def test_an_unusable_version_is_refused_with_its_line(version: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        raised(BASE.replace(">1.3.0.2<", f">{version}<"))

    assert refused.value.place is not None
    assert refused.value.place.file == "addin/manifest.xml"
    assert refused.value.place.line == 7


@pytest.mark.parametrize(
    "before",
    [
        "<!-- <Version>1.0.0.0</Version> -->",
        '<x:Version xmlns:x="urn:other">9.9</x:Version>',
        "<Requirements><Version>2.0</Version></Requirements>",
    ],
)
def test_only_the_version_below_the_root_counts(before: str) -> None:
    text = BASE.replace("  <Version>1.3", f"  {before}\n  <Version>1.3")

    assert raised(text) == text.replace("1.3.0.2", "1.3.0.3")


def test_prefixes_are_names_and_may_be_any() -> None:
    text = (
        '<ns0:OfficeApp xmlns:ns0="http://schemas.microsoft.com/office/appforoffice/1.1" '
        'xmlns:ns4="http://schemas.microsoft.com/office/officeappbasictypes/1.0">'
        "<ns0:Version>1.3.0.2</ns0:Version>"
        f'<ns0:SourceLocation DefaultValue="{OWN}/"/>'
        f'<ns4:Url id="a" DefaultValue="{OWN}/a.html?v=1.3.0.2"/></ns0:OfficeApp>'
    )

    assert raised(text) == text.replace("1.3.0.2", "1.3.0.3")


def test_bumping_an_earlier_part_resets_the_later_ones() -> None:
    assert raised(BASE, part=Part.MINOR) == BASE.replace("1.3.0.2", "1.4.0.0")


def test_a_target_version_must_not_be_lower() -> None:
    content = BASE.encode()

    same = edit.plan(content, file="m.xml", target=Version.parse("1.3.0.2"))
    assert not same.changed
    assert same.edits == ()
    jump = edit.plan(content, file="m.xml", target=Version.parse("1.3.0.9"))
    assert jump.after == BASE.replace("1.3.0.2", "1.3.0.9").encode()
    with pytest.raises(InputError, match=r"1\.2\.0\.0 is lower. Versions must not decrease"):
        edit.plan(content, file="m.xml", target=Version.parse("1.2.0.0"))


# -- URLs with the version -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "after"),
    [
        ("?v=1.3.0.2", "?v=1.3.0.3"),
        ("?v=1.3.0", "?v=1.3.0.3"),
        ("?v=20260617", "?v=1.3.0.3"),
        ("?v=1.3.0.2&amp;t=1727580300", "?v=1.3.0.3&amp;t=1727580300"),
        ("?t=1&#38;v=1.3.0.2", "?t=1&#38;v=1.3.0.3"),
        ("?t=1&#x26;v=1.3.0.2", "?t=1&#x26;v=1.3.0.3"),
        ("?v=1.3.0.2&amp;v=1.3.0.2", "?v=1.3.0.3&amp;v=1.3.0.3"),
        ("?v=1.3.0.2#/home", "?v=1.3.0.3#/home"),
        ("?lcid=ar-sa&amp;v=1.3.0.2", "?lcid=ar-sa&amp;v=1.3.0.3"),
    ],
)
def test_the_version_parameter_of_an_own_page_is_updated(query: str, after: str) -> None:
    text = resource(f"{OWN}/taskpane.html{query}")

    assert raised(text) == only_the_version(text).replace(query, after)


@pytest.mark.parametrize(
    ("address", "warning_text"),
    [
        (f"{OWN}/a.html", ""),
        (f"{OWN}/a.html?", ""),
        (f"{OWN}?commands=1", ""),
        (f"{OWN}/a.html?ver=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html?V=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html?vv=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html?preview=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html#/home?v=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html?a=1;v=1.3.0.2", "contains 1.3.0.2"),
        (f"{OWN}/a.html?v", "is not a version"),
        (f"{OWN}/a.html?v=", "is not a version"),
        (f"{OWN}/a.html?v={{{{VERSION}}}}", "is not a version"),
        (f"{OWN}/a.html?v=${{TIMESTAMP}}", "is not a version"),
        (f"{OWN}/a.html?v=1%2E3%2E0%2E2", "is not a version"),
        (f"{OWN}/a.html?v=20260617-2", "is not a version"),
        (f"{OWN}/a.html?v=...1", "is not a version"),
        ("https://go.microsoft.com/fwlink/?LinkId=276812", ""),
        ("https://cdn.contoso.com/a.html?v=1.3.0.2", "is on 'https://cdn.contoso.com'"),
        (f"{OWN}:8443/a.html?v=1.3.0.2", f"is on '{OWN}:8443'"),
    ],
)
def test_other_urls_are_kept_and_reported_if_they_carry_a_version(
    address: str, warning_text: str
) -> None:
    text = resource(address)

    assert raised(text) == only_the_version(text)
    assert [warning_text in warning for warning in warnings(text)] == (
        [True] if warning_text else []
    )


@pytest.mark.parametrize(
    "inner",
    [
        f'<IconUrl DefaultValue="{OWN}/icon.png?v=1.3.0.2"/>',
        f'<HighResolutionIconUrl DefaultValue="{OWN}/icon.png?v=1.3.0.2"/>',
        f'<bt:Image id="i" DefaultValue="{OWN}/icon.png?v=1.3.0.2"/>',
        f'<bt:Url id="nobody" DefaultValue="{OWN}/a.html?v=1.3.0.2"/>',
        f'<bt:Url id="capitals" DefaultValue="{OWN.upper()}/a.html?v=1.3.0.2"/>',
        (
            f'<bt:Url id="a" DefaultValue="{OWN}/"><bt:Override Locale="ar-sa" '
            f'Value="{OWN}/a.html?lcid=ar-sa&amp;v=1.3.0.2"/></bt:Url>'
        ),
        f'<ExtendedOverrides Url="{OWN}/${{token.locale}}/x.json?v=1.3.0.2"/>',
        (
            f'<bt:Url id="u" DefaultValue="{OWN}/a.html?v=1.3.0.2"/>'
            '<LearnMoreUrl resid="u"/><SourceLocation resid="u"/>'
        ),
        f"<bt:Url  id='q'\n\t DefaultValue = '{OWN}/a.html?v=1.3.0.2'\n/>",
        f'<bt:Url DefaultValue="{OWN}/a.html?v=1.3.0.2" id="order"/>',
        (
            f'<ov:VersionOverrides><bt:Url id="x" DefaultValue="{OWN}/a.html?v=1.3.0.2"/>'
            '<VersionOverrides xmlns="urn:v11">'
            f'<bt:Url id="x" DefaultValue="{OWN}/a.html?v=1.3.0.2"/></VersionOverrides>'
            "</ov:VersionOverrides>"
        ),
    ],
)
def test_own_urls_are_updated_in_every_element_that_may_have_one(inner: str) -> None:
    text = with_(inner)

    assert raised(text) == text.replace("1.3.0.2", "1.3.0.3")


@pytest.mark.parametrize(
    "inner",
    [
        '<Rule xsi:type="ItemHasRegularExpressionMatch" RegExValue="watch\\?v=[a-z]{11}"/>',
        f'<bt:Url id="h" DefaultValue="{OWN}/help?v=1.3.0.2"/><LearnMoreUrl resid="h"/>',
        f'<!-- <bt:Url id="c" DefaultValue="{OWN}/a.html?v=1.3.0.2"/> -->',
        '<Description DefaultValue="since v=1.3.0.2"/>',
        "<AppDomains><AppDomain>https://addin.contoso.com</AppDomain></AppDomains>",
        f'<SupportUrl DefaultValue="{OWN}/support?v=1.3.0.2"/>',
        f'<QueryUri DefaultValue="{OWN}/Define?word="/>',
        "<Resource>api://addin.contoso.com/1.3.0.2</Resource>",
        '<Runtime resid="JSRuntime.Url" v="1.3.0.2"/>',
    ],
)
def test_values_that_only_look_like_own_urls_are_kept(inner: str) -> None:
    text = with_(inner)

    assert raised(text) == only_the_version(text)


def test_a_placeholder_may_be_the_own_origin() -> None:
    text = resource("~remoteAppUrl/a.html?v=1.3.0.2").replace(f"{OWN}/home", "~remoteAppUrl/home")

    assert raised(text) == text.replace("1.3.0.2", "1.3.0.3")


def test_a_url_longer_than_2048_characters_is_refused() -> None:
    long = f"{OWN}/{'a' * (2048 - len(OWN) - 1 - len('?v=1'))}?v=1"
    assert len(long) == 2048

    with pytest.raises(InputError, match="longer than 2048") as refused:
        raised(resource(long))

    assert refused.value.place is not None
    assert refused.value.place.line == 10


def test_reading_returns_the_own_pages() -> None:
    text = with_(
        f'<bt:Url id="a" DefaultValue="{OWN}/a.html?v=1&amp;t=2"/>'
        f'<bt:Url id="b" DefaultValue="{OWN}/a.html?v=1&amp;t=2"/>'
        f'<bt:Image id="i" DefaultValue="{OWN}/icon.png"/>'
        f'<bt:Url id="h" DefaultValue="{OWN}/help"/><LearnMoreUrl resid="h"/>'
        '<bt:Url id="x" DefaultValue="https://elsewhere.example/"/>'
    )

    result = edit.read(text.encode(), file="m.xml")

    assert result.pages == (f"{OWN}/home.html", f"{OWN}/a.html?v=1&t=2")
    assert str(result.version) == "1.3.0.2"


# -- encodings and syntax --------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "windows-1252", "iso-8859-1"])
def test_encoding_byte_order_mark_and_line_ends_are_kept(encoding: str) -> None:
    declared = {"utf-8-sig": "UTF-8"}.get(encoding, encoding)
    text = resource(f"{OWN}/a.html?v=1.3.0.2").replace('"UTF-8"', f'"{declared}"')
    text = text.replace("Well Intake", "Üben\tmit Café").replace("\n", "\r\n").rstrip()
    content = text.encode(encoding)

    bump = edit.plan(content, file="m.xml")

    assert bump.after == text.replace("1.3.0.2", "1.3.0.3").encode(encoding)
    assert len(bump.edits) == 2


def test_utf_16_big_endian_with_a_byte_order_mark_is_supported() -> None:
    text = "\ufeff" + BASE.replace(' encoding="UTF-8"', "")

    bump = edit.plan(text.encode("utf-16-be"), file="m.xml")

    assert bump.after == text.replace("1.3.0.2", "1.3.0.3").encode("utf-16-be")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (BASE.encode().replace(b"Intake", b"\xff\xfe"), "is not valid utf-8"),
        (BASE.encode("utf-16-le"), "cannot be read|not valid|not well-formed"),
        (BASE.encode("utf-32"), "UTF-32"),
        (BASE.replace("UTF-8", "UTF-7").encode(), "encoding 'utf-7'"),
        (BASE.replace("UTF-8", "cp037").encode(), "encoding 'cp037'"),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + BASE.encode(), "without loss"),
        (b"x" + BASE.encode(), "not well-formed"),
        (BASE.replace("Intake", "\0").encode(), "without loss"),
        (BASE.replace("Intake", "&unknown;").encode(), "not well-formed"),
        (BASE.replace("</OfficeApp>", "</Office>").encode(), "not well-formed"),
        (BASE.encode() + b" " * 1024 * 1024, "the limit is 1048576"),
        (with_("<a>" * 70 + "</a>" * 70).encode(), "nested too deeply"),
        (with_("<a/>" * 20_001).encode(), "too many elements"),
        (b"<a>" * 200_000, "is not an Office add-in manifest|nested too deeply"),
        (
            b"<manifest package='com.example'/>",
            "is not an Office add-in manifest: its root element is",
        ),
        (b'{"manifestVersion": "1.17"}', "has no string 'version'"),
        (BASE.replace("  <Version>1.3.0.2</Version>\n", "").encode(), "has no Version"),
        (BASE.replace("<Id>", "<Version>1.0</Version><Id>").encode(), "has two Version elements"),
        (BASE.replace("<Version>1.3.0.2</Version>", "<Version/>").encode(), "empty Version"),
        (
            with_('<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>').encode(),
            "is signed",
        ),
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        edit.plan(content, file="addin/manifest.xml")

    assert refused.value.place is not None
    assert refused.value.place.file == "addin/manifest.xml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE OfficeApp>",
        '<!DOCTYPE OfficeApp SYSTEM "http://127.0.0.1:1/never-asked.dtd">',
        '<!DOCTYPE OfficeApp [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE OfficeApp [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p"> %p;]>',
        '<!DOCTYPE OfficeApp [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;"> ]>',
    ],
)
def test_any_doctype_is_refused_before_an_entity_is_read(doctype: str, encoding: str) -> None:
    text = BASE.replace("<OfficeApp", f"{doctype}\n<OfficeApp", 1)
    if encoding == "utf-16":
        text = text.replace("UTF-8", "UTF-16")

    with pytest.raises(InputError, match="has a DOCTYPE"):
        edit.plan(text.encode(encoding), file="m.xml")


# -- laws ------------------------------------------------------------------------------------------


QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["v", "t", "V", "vv", "lcid", ""]),
        st.sampled_from(["=1.3.0.2", "=1.3", "=7", "=", "", "=a.b", "=1.3.0.2-x", "={{V}}"]),
    ),
    max_size=4,
).map(lambda pairs: "&amp;".join(name + value for name, value in pairs))
ADDRESSES = st.builds(
    "{}{}?{}{}".format,
    st.sampled_from([OWN, OWN.upper(), "https://cdn.example", "~app"]),
    st.sampled_from(["", "/", "/a.html"]),
    QUERIES,
    st.sampled_from(["", "#", "#/x?v=1.3.0.2"]),
)
SPACES = st.sampled_from(["\n", "\r\n", "\n\t"])


@given(st.lists(ADDRESSES, max_size=5), SPACES)
def test_a_bump_is_idempotent_and_changes_no_other_byte(addresses: list[str], space: str) -> None:
    inner = space.join(
        f'<bt:Url id="u{number}" DefaultValue="{address}"/>'
        for number, address in enumerate(addresses)
    )
    content = with_(inner).encode()

    once = edit.plan(content, file="m.xml")
    again = edit.plan(once.after, file="m.xml", target=once.new)
    further = edit.plan(once.after, file="m.xml")

    assert not again.changed, "a second run for the same version does nothing"
    assert str(further.new) == "1.3.0.4"
    assert len(further.edits) == len(once.edits)
    assert once.after.count(b"\n") == content.count(b"\n")
    separators = rb"[?]|&amp;|v=|[\d.]+"
    assert re.sub(separators, b"", once.after) == re.sub(separators, b"", content)
