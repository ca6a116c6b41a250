"""Make the manifest's versioning and the publisher of the version commit."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from deploy_action.adapters.git import BOT, Git, Identity
from deploy_action.adapters.manifest_file import ManifestFile, files_called
from deploy_action.core.manifest.allowed import NAME
from deploy_action.core.manifest.rules import Rules
from deploy_action.core.settings.choices import AllowedList, BumpWhen, CommitBy
from deploy_action.errors import DeployError, InputError
from deploy_action.rollout.addin_changes import AddIn
from deploy_action.rollout.publish import (
    TOPIC_PREFIX,
    ApiPublisher,
    FallbackPublisher,
    GitPublisher,
    Publisher,
)
from deploy_action.rollout.versioning import Versioning

if TYPE_CHECKING:
    from deploy_action.services import Services


def make_versioning(services: Services) -> Versioning:
    """Return the versioning of the manifest that the settings name."""
    settings = services.settings
    root, workspace = services.repository, services.runner.workspace
    path = posixpath.relpath(workspace / settings.manifest, root)
    inside = workspace.is_relative_to(root)
    if settings.git_token:
        services.secret(settings.git_token)
    rules = Rules(
        mode=settings.url_mode,
        parameter=settings.url_parameter,
        origins=settings.url_origins,
    )
    git = services.git
    return Versioning(
        git=git,
        addin=AddIn(
            git=git,
            path=path,
            patterns=settings.bump_when_changed,
            below="/".join(workspace.relative_to(root).parts) if inside else "",
            rules=rules,
            pushed_from=lambda: services.runner.pushed_from,
        ),
        file=ManifestFile(root / path, root),
        path=path,
        # An existing image cannot contain a version that is bumped only now.
        when=settings.bump if settings.builds_image else BumpWhen.NEVER,
        part=settings.bump_part,
        publisher=_publisher(services, git, path),
        title=settings.commit_message,
        rules=rules,
        lists=lambda: [
            (file.relative_to(root).as_posix(), file.read_bytes())
            for file in files_called(NAME, workspace if inside else root)
        ],
        strict_list=settings.allowed_list is AllowedList.ERROR,
        run=services.checked_out[0],
    )


def _publisher(services: Services, git: Git, path: str) -> Publisher | None:
    """Return the publisher that the settings choose; None if the user publishes."""
    settings, env = services.settings, services.environment
    name, _, address = settings.commit_author.rpartition(" <")
    author = Identity(name=name, email=address.rstrip(">")) if name else BOT
    api, repository = env.get("GITHUB_API_URL", ""), env.get("GITHUB_REPOSITORY", "")
    push = GitPublisher(git=git, path=path, author=author)
    has_api = bool(settings.git_token and api and repository)
    match settings.commit:
        case CommitBy.NONE:
            return None
        case CommitBy.API | CommitBy.PULL_REQUEST if not has_api:
            raise InputError(
                f"Input commit: '{settings.commit.value}' requires git-token and the variables "
                "GITHUB_API_URL and GITHUB_REPOSITORY, which a workflow sets.",
                hint="Set git-token, or set commit to push.",
            )
        case CommitBy.PUSH:
            return push
        case CommitBy.AUTO if not has_api or _executable(git, path):
            return push
    from deploy_action.adapters.github_api import GitHub  # noqa: PLC0415  only with GitHub's API

    by_api = ApiPublisher(
        github=GitHub(api, repository, token=settings.git_token),
        path=path,
        topic=f"{TOPIC_PREFIX}{services.run.id}",
        pull=settings.commit is CommitBy.PULL_REQUEST,
    )
    auto = settings.commit is CommitBy.AUTO
    return FallbackPublisher(first=by_api, second=push) if auto else by_api


def _executable(git: Git, path: str) -> bool:
    """Whether a file has a mode that GitHub's API would not keep."""
    try:
        file = git.file_at("HEAD", path)
    except DeployError:
        return False
    return file is not None and file.mode != "100644"
