"""The values that settings with a fixed set of choices may have."""

from __future__ import annotations

from enum import Enum


class Command(Enum):
    """The verbs of the action."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    STATUS = "status"
    REPAIR = "repair"


class BumpWhen(Enum):
    """When the manifest's version is raised."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class BumpPart(Enum):
    """Which part of the version is raised."""

    LAST = "last"
    AUTO = "auto"
    BUILD = "build"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"


class BuilderKind(Enum):
    """Who builds the image."""

    DOCKER = "docker"
    ACR = "acr"


class Moment(Enum):
    """When the cache is cleared."""

    BEFORE = "before"
    AFTER = "after"


class CacheVia(Enum):
    """How the cache is reached."""

    REDIS = "redis"
    ENDPOINT = "endpoint"
    NONE = "none"


class CacheAuth(Enum):
    """What Redis is shown."""

    KEY = "key"
    ENTRA = "entra"


class AllowedList(Enum):
    """What happens when the site's list of allowed scripts names an address that changes."""

    ERROR = "error"
    WARN = "warn"


class Strategy(Enum):
    """How traffic moves to the candidate once it has passed its gates."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    DIRECT = "direct"


class StalePagePolicy(Enum):
    """What happens where old pages would be kept under the new version's address."""

    WARN = "warn"
    CUT_OVER = "cut-over"
    OFF = "off"


class OnRollback(Enum):
    """What happens to the manifest on the branch after a rollback by hand."""

    KEEP = "keep"
    BUMP = "bump"


class CommitBy(Enum):
    """How the version commit reaches the branch."""

    AUTO = "auto"
    API = "api"
    PUSH = "push"
    PULL_REQUEST = "pull-request"
    NONE = "none"


class AnalysisMode(Enum):
    """Whether production traffic judges the candidate."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class OnInconclusive(Enum):
    """What happens where the analysis of a step has too little data."""

    CONTINUE = "continue"
    ABORT = "abort"
