"""The add-in's manifest and its version."""

from __future__ import annotations

from dataclasses import dataclass

from deploy_action.core.manifest.rules import UrlMode
from deploy_action.core.settings import parsers
from deploy_action.core.settings.choices import AllowedList, BumpPart, BumpWhen, CommitBy
from deploy_action.core.settings.spec import setting


@dataclass(frozen=True, kw_only=True)
class AddinSettings:
    """When and how the manifest's version is bumped and published."""

    manifest: str = setting(
        parsers.manifest,
        "",
        "The add-in's manifest, such as addin/manifest.xml. Leave empty if there is no add-in. Set "
        "to 'none' to ignore the manifest in the settings file for one run.",
        is_input=True,
    )
    bump: BumpWhen = setting(
        parsers.one_of(BumpWhen),
        "auto",
        "When to bump the manifest's version: auto (if the add-in changed since the deployed "
        "version), always or never.",
    )
    bump_when_changed: tuple[str, ...] = setting(
        parsers.path_patterns,
        "",
        "For bump: auto, patterns of the files that belong to the add-in, one per line, with the "
        "syntax of a workflow's paths filter. Defaults to the manifest's folder.",
    )
    bump_part: BumpPart = setting(
        parsers.one_of(BumpPart),
        "last",
        "Which part to bump: last (build; patch in a unified manifest), build, patch, minor, "
        "major, or auto (major if the ID changed; minor if permissions, requirements, hosts, "
        "scopes or events changed; otherwise last).",
    )
    url_mode: UrlMode = setting(
        parsers.one_of(UrlMode),
        "refresh",
        "How to handle the version in the add-in's page URLs: refresh (update where present), add "
        "(also add it where missing) or off.",
    )
    url_parameter: str = setting(
        parsers.name, "v", "Query parameter that contains the version in a URL."
    )
    url_origins: tuple[str, ...] = setting(
        parsers.lines,
        "",
        "Additional origins of the add-in's own pages, such as a CDN, one per line.",
    )
    allowed_list: AllowedList = setting(
        parsers.one_of(AllowedList),
        "error",
        "What to do when microsoft-officeaddins-allowed.json names an event script whose URL "
        "changes: error or warn.",
    )
    commit: CommitBy = setting(
        parsers.one_of(CommitBy),
        "auto",
        "How the version commit reaches the branch: api (signed by GitHub), push (git), "
        "pull-request, none, or auto (api if git-token allows it, otherwise push; a pull "
        "request if the branch requires one).",
    )
    commit_message: str = setting(
        parsers.text,
        "Bump the add-in to {version} [skip ci]",
        "First line of the version commit. {version}, {revision} and {run} are replaced.",
    )
    commit_author: str = setting(
        parsers.author,
        "",
        "Author of a pushed version commit, as NAME <EMAIL>. Defaults to GitHub's workflow bot.",
    )
    git_token: str = setting(
        parsers.text,
        "",
        "Token used to publish the version commit and to write the comment with the plan.",
        secret=True,
        is_input=True,
    )
