"""Escapes external text for GitHub-flavoured Markdown, so that it is shown literally."""

from __future__ import annotations

import re

_SIGNS = "\\`*_[]|#~^$!"
_BREAK = "<!-- -->"  # invisible; splits text that GitHub would turn into a link or a mention


def code(text: str) -> str:
    """Return *text* as a code span that its content cannot break out of, also in a table cell."""
    flat = " ".join(text.split())
    if not flat:
        return ""
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", "\\|")


def plain(text: str) -> str:
    """Return *text* for a sentence: no markup, no link, no mention."""
    flat = " ".join(text.split())
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(sign, safe)
    # "#" first: the entities of the other signs contain one.
    for sign in sorted(_SIGNS, key=lambda character: character != "#"):
        flat = flat.replace(sign, f"&#{ord(sign)};") if sign != "#" else _without_hash(flat)
    flat = flat.replace("@", f"&#64;{_BREAK}").replace("://", f":{_BREAK}//")
    flat = re.sub(r"(?i)www\.", lambda match: f"{match[0][:-1]}{_BREAK}.", flat)
    return re.sub(
        r"^([-+]|\d+[.)])(?= |$)", lambda match: f"&#{ord(match[1][0])};{match[1][1:]}", flat
    )


def _without_hash(text: str) -> str:
    return re.sub(r"(?<!&)#", "&#35;", text)


def link(text: str, url: str) -> str:
    """Return *text* as a code span that links to *url*, or unlinked without a URL.

    Args:
        text: external text.
        url: made by this program, https only.
    """
    shown = code(text)
    if not shown or not re.fullmatch(r"https://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]+", url):
        return shown
    return f"[{shown}]({url})"


def fence(lines: list[str], language: str = "") -> list[str]:
    """Return *lines* as a fenced block that none of them can close."""
    longest = max((len(run) for line in lines for run in re.findall("`{3,}", line)), default=2)
    marks = "`" * (longest + 1)
    return [f"{marks}{language}", *(line.replace("\r", " ") for line in lines), marks]


def details(title: str, lines: list[str]) -> list[str]:
    """Return *lines* as a collapsed section, or nothing if there are none."""
    if not lines:
        return []
    return [f"<details><summary>{title}</summary>", "", *lines, "", "</details>", ""]
