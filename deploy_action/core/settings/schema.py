"""Every setting, declared once: its name as the user writes it, its parser, default and sentence.

The field ``traffic_steps`` is the input ``traffic-steps`` and the key of that name in the settings
file; durations are fields that end in ``_s``. Tests check action.yml, the README's table and the
JSON Schema against this declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from deploy_action.core.manifest.rules import UrlMode
from deploy_action.core.settings import images, parsers, warmup
from deploy_action.core.settings.choices import (
    AllowedList,
    BuilderKind,
    BumpPart,
    BumpWhen,
    CacheAuth,
    CacheVia,
    Command,
    CommitBy,
    Moment,
    OnRollback,
    Shield,
)
from deploy_action.core.settings.images import BuildSecretSetting
from deploy_action.core.settings.warmup import WarmupEntry


def _setting(
    kind: Callable[[str], Any], default: str, sentence: str, *, secret: bool = False
) -> Any:
    return field(metadata={"kind": kind, "default": default, "about": sentence, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one run, validated. Durations are seconds."""

    command: Command = _setting(
        parsers.one_of(Command), "deploy", "What to do: deploy, rollback, status or repair."
    )
    environment: str = _setting(
        parsers.name, "prod", "Which environment of the settings file this run is for."
    )
    settings_file: str = _setting(
        parsers.text,
        ".github/deploy.yml",
        "Path of the file with settings per environment (YAML or JSON); it may be missing.",
    )
    subscription_id: str = _setting(
        parsers.guid, "", "The Azure subscription; taken from the az session when empty."
    )
    tenant_id: str = _setting(
        parsers.guid, "", "The Entra tenant, for signing in with GitHub's OIDC token."
    )
    client_id: str = _setting(
        parsers.guid,
        "",
        "The application to sign in as with GitHub's OIDC token; empty uses the az session.",
    )
    resource_group: str = _setting(parsers.name, "", "The resource group of the container app.")
    app: str = _setting(parsers.name, "", "The name of the container app.")
    container: str = _setting(
        parsers.name, "", "Which container gets the new image; empty means the first."
    )
    registry: str = _setting(
        parsers.text, "", "The registry, by name or host, such as contoso or contoso.azurecr.io."
    )
    repository: str = _setting(
        parsers.text, "", "The image's name in the registry; empty means the app's name."
    )
    registry_resource_group: str = _setting(
        parsers.text,
        "",
        "For builder acr: the registry's resource group, as its name or as "
        "/subscriptions/ID/resourceGroups/NAME; empty looks in the app's group, then in all "
        "subscriptions that the identity may list.",
    )
    image: str = _setting(
        parsers.text,
        "",
        "An existing image to deploy instead of building one, from any registry. Registries other "
        "than Azure's use the runner's Docker login, or none. The manifest is then not bumped.",
    )
    image_tag: str = _setting(
        images.tag,
        "",
        "A tag of the app's repository to deploy instead of building an image, for example from a "
        "workflow's inputs.",
    )
    image_tags: tuple[str, ...] = _setting(
        images.tags,
        "",
        "Further tags to set on the image after promotion, such as latest or a branch's name.",
    )
    builder: BuilderKind = _setting(
        parsers.one_of(BuilderKind),
        "docker",
        "Who builds the image: docker (the runner's Docker with BuildKit) or acr (the registry "
        "itself).",
    )
    context: str = _setting(
        parsers.text,
        ".",
        "The build context, relative to the checkout. Git's folder is never part of it.",
    )
    dockerfile: str = _setting(
        parsers.text, "Dockerfile", "The Dockerfile, relative to the context or to the checkout."
    )
    target: str = _setting(parsers.text, "", "The Dockerfile's stage to build; empty builds all.")
    platform: str = _setting(
        images.platform, "linux/amd64", "The image's platform; Container Apps runs linux/amd64."
    )
    build_args: tuple[str, ...] = _setting(
        parsers.lines, "", "Build arguments, one NAME=value a line. Not for secrets."
    )
    build_secrets: tuple[BuildSecretSetting, ...] = _setting(
        images.build_secrets,
        "",
        "For builder docker: secrets for RUN --mount=type=secret, one a line: ID=VALUE, "
        "id=ID,env=NAME or id=ID,src=PATH.",
        secret=True,
    )
    cache_from: tuple[str, ...] = _setting(
        parsers.lines,
        "",
        "For builder docker: images or cache sources to take unchanged layers from, one a line.",
    )
    build_timeout_s: float = _setting(parsers.duration, "20m", "How long building may take.")
    manifest: str = _setting(
        parsers.text, "", "The add-in's manifest, such as addin/manifest.xml; empty means none."
    )
    bump: BumpWhen = _setting(
        parsers.one_of(BumpWhen),
        "auto",
        "When to raise the manifest's version: auto (the add-in changed since what serves), always "
        "or never.",
    )
    bump_when_changed: tuple[str, ...] = _setting(
        parsers.lines,
        "",
        "For bump auto: globs of the files that count, relative to the repository; empty means the "
        "manifest's folder.",
    )
    bump_part: BumpPart = _setting(
        parsers.one_of(BumpPart),
        "last",
        "Which part to raise: last (build; in a unified manifest patch), build, patch, minor, "
        "major, or auto (major for another id, minor where permissions, requirements, hosts, "
        "scopes or events changed, else last).",
    )
    url_mode: UrlMode = _setting(
        parsers.one_of(UrlMode),
        "refresh",
        "The version in the addresses of the add-in's own pages: refresh (where it is), add (to "
        "pages without it, too) or off.",
    )
    url_parameter: str = _setting(
        parsers.name, "v", "The query parameter that carries the version in an address."
    )
    url_origins: tuple[str, ...] = _setting(
        parsers.lines, "", "Further origins that are the add-in's own, such as a CDN's, one a line."
    )
    allowed_list: AllowedList = _setting(
        parsers.one_of(AllowedList),
        "error",
        "If microsoft-officeaddins-allowed.json in the checkout names an event script's address "
        "that changes: error or warn.",
    )
    commit: CommitBy = _setting(
        parsers.one_of(CommitBy),
        "auto",
        "How the raised version reaches the branch after promotion: api (GitHub signs the commit), "
        "push (git), pull-request, none, or auto: api where git-token and GitHub's API are at "
        "hand, else push; where the branch's rules ask for it, by pull request.",
    )
    manifest_on_rollback: OnRollback = _setting(
        parsers.one_of(OnRollback),
        "keep",
        "What becomes of the manifest on the branch after a rollback: keep, or raise (the target's "
        "content under the next higher version).",
    )
    commit_message: str = _setting(
        parsers.text,
        "Raise the add-in to {version} [skip ci]",
        "The version commit's first line; {version}, {revision} and {run} stand for their values.",
    )
    commit_author: str = _setting(
        parsers.text,
        "",
        "Who a pushed version commit is by, as NAME <EMAIL>; empty means GitHub's workflow bot. "
        "With the API it is the token's owner.",
    )
    git_token: str = _setting(
        parsers.text, "", "The token to publish the version commit with.", secret=True
    )
    cache_url: str = _setting(
        parsers.text,
        "",
        "Redis as a rediss:// URL or as the portal's connection string; empty means no cache.",
        secret=True,
    )
    cache_patterns: tuple[str, ...] = _setting(
        parsers.lines, "", "Keys to clear, one Redis pattern a line, such as manifest:*."
    )
    cache_clear: tuple[Moment, ...] = _setting(
        parsers.subset_of(Moment), "before,after", "When to clear: before, after, both, or none."
    )
    cache_required: bool = _setting(
        parsers.boolean,
        "false",
        "Whether a cache that cannot be cleared stops the deployment, or puts it back.",
    )
    cache_allow_flush: bool = _setting(
        parsers.boolean, "false", "Whether a pattern may match every key of the database."
    )
    cache_metadata_ttl_s: float = _setting(
        parsers.duration, "168h", "How long the deployment's metadata stays in the cache."
    )
    cache_via: CacheVia = _setting(
        parsers.one_of(CacheVia),
        "redis",
        "How the cache is reached: redis, endpoint (the app clears it itself, for a Redis without "
        "a public address) or none.",
    )
    cache_auth: CacheAuth = _setting(
        parsers.one_of(CacheAuth),
        "key",
        "What Redis is shown: key (from cache-url) or entra (the identity that signs in to Azure).",
    )
    cache_ca: str = _setting(
        parsers.text,
        "",
        "File of the authority that signed Redis' certificate, relative to the checkout; empty "
        "takes the system's.",
    )
    cache_prefix: str = _setting(
        parsers.text, "", "What stands in front of every key of the app; added to each pattern."
    )
    cache_budget_s: float = _setting(parsers.duration, "60s", "How long one clearing may take.")
    cache_max_keys: int = _setting(
        parsers.integer(1, 999_999_999), "10000000", "How many keys one clearing may remove."
    )
    cache_endpoint: str = _setting(
        parsers.text,
        "",
        "For cache-via endpoint: the path on the app's address, or a whole https:// address, in "
        "which {revision-host} stands for the host of the revision that serves.",
    )
    cache_endpoint_header: str = _setting(
        parsers.text, "", "For cache-via endpoint: its secret header, as NAME: VALUE.", secret=True
    )
    cache_endpoint_body: str = _setting(
        parsers.text,
        '{"patterns": {patterns}}',
        "For cache-via endpoint: the body; {patterns} becomes a JSON list.",
    )
    cache_warm: tuple[WarmupEntry, ...] = _setting(
        parsers.list_of(warmup.parse),
        "",
        "What to warm after a promotion, one a line: KEY = TEXT @ 24h, KEY = GET /path, or "
        "GET /path; {version}, {revision} and others stand for the deployment's values.",
    )
    cache_warm_ttl_s: float = _setting(
        parsers.duration, "24h", "How long warmed keys stay unless their line says otherwise."
    )
    cost_per_miss: float = _setting(
        parsers.decimal,
        "0",
        "What one read costs that the cache could not answer, for the estimate.",
    )
    health_path: str = _setting(
        parsers.path, "/health/ready", "The path that must answer 200 on the candidate's address."
    )
    health_passes: int = _setting(
        parsers.integer(1, 100), "5", "How many passes in a row make the candidate healthy."
    )
    health_interval_s: float = _setting(parsers.duration, "2s", "The pause between two looks.")
    health_timeout_s: float = _setting(parsers.duration, "30s", "How long one answer may take.")
    identity_path: str = _setting(
        parsers.path,
        "",
        "A path whose JSON answer names the revision (and version); empty does not ask.",
    )
    manifest_path: str = _setting(
        parsers.path,
        "",
        "Where the app serves its manifest; empty tries its file's name at the root, and looks no "
        "further where it is not.",
    )
    smoke_test: str = _setting(
        parsers.text, "", "A shell command that must succeed; CANDIDATE_URL names the candidate."
    )
    gate_timeout_s: float = _setting(
        parsers.duration, "5m", "How long the candidate may take to pass all its gates."
    )
    traffic_steps: tuple[int, ...] = _setting(
        parsers.percentages, "10,50,100", "The candidate's share of the traffic, step by step."
    )
    shield: Shield = _setting(
        parsers.one_of(Shield),
        "warn",
        "While traffic is split, if the old revision answers the new version's pages with what "
        "browsers keep: warn, cut-over (all traffic at once) or off. Needs manifest-path.",
    )
    step_interval_s: float = _setting(parsers.duration, "60s", "How long each step is watched.")
    bake_s: float = _setting(
        parsers.duration, "60s", "How long the promoted candidate is watched, the way back armed."
    )
    operation_timeout_s: float = _setting(
        parsers.duration, "5m", "How long Azure may take for one change."
    )
    keep_revisions: int = _setting(
        parsers.integer(1, 100), "3", "How many of the newest revisions stay active."
    )
    drain_time_s: float = _setting(
        parsers.duration, "30s", "How long a revision without traffic drains before it is stopped."
    )
    revision: str = _setting(
        parsers.text,
        "",
        "For a rollback: where to, as a revision's name or suffix, a version such as v1.3.0.2, or "
        "a commit; empty means the previous.",
    )
    reason: str = _setting(parsers.text, "", "For a rollback: why, for the record.")
    lock_wait_s: float = _setting(
        parsers.duration, "0s", "How long to wait for another run that holds the app."
    )
    take_over: bool = _setting(
        parsers.boolean,
        "false",
        "For a repair: whether to end a run's hold on the app that may still be alive.",
    )
    time_limit_s: float = _setting(
        parsers.duration,
        "5h",
        "How long the whole run may take before it is aborted; keep it below the job's "
        "timeout-minutes.",
    )
    convert_mode: bool = _setting(
        parsers.boolean,
        "false",
        "Whether an app in Single revision mode may be switched to Multiple, once.",
    )
    create: bool = _setting(
        parsers.boolean, "false", "Whether to create the app where it does not exist yet."
    )
    managed_environment: str = _setting(
        parsers.text, "", "For create: the Container Apps environment, by name or resource id."
    )
    target_port: int = _setting(
        parsers.integer(1, 65535), "8000", "For create: the port that the container listens on."
    )
    registry_identity: str = _setting(
        parsers.text,
        "",
        "For create: the identity that pulls the image, as a resource id (a user-assigned one that "
        "has AcrPull); empty for a registry that needs none.",
    )
    dry_run: bool = _setting(
        parsers.boolean, "false", "Whether to stop after printing the plan, with nothing changed."
    )

    @property
    def builds_image(self) -> bool:
        """Whether the image is built by this run."""
        return not self.image and not self.image_tag

    @property
    def served_manifest(self) -> str:
        """Where the app serves its manifest, or would usually; empty without one."""
        name = self.manifest.rpartition("/")[2]
        return self.manifest_path or (f"/{name}" if name else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSpec:
    """One setting as declared above.

    Args:
        name: as the user writes it.
        field: the attribute of `Settings`; a duration's ends in ``_s``.
    """

    name: str
    field: str
    default: str
    about: str
    secret: bool
    kind: Callable[[str], Any]


def setting_specs() -> Iterator[SettingSpec]:
    """Yield every setting in order."""
    for item in fields(Settings):
        meta = item.metadata
        yield SettingSpec(
            field=item.name,
            name=item.name.removesuffix("_s").replace("_", "-"),
            default=meta["default"],
            about=meta["about"],
            secret=meta["secret"],
            kind=meta["kind"],
        )
