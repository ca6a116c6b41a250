"""The values that settings with a fixed set of choices may have."""

from __future__ import annotations

from enum import Enum


class Command(Enum):
    """The commands of the action."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    STATUS = "status"
    REPAIR = "repair"
    VALIDATE = "validate"


class BumpWhen(Enum):
    """When the manifest's version is bumped."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class BumpPart(Enum):
    """Which part of the version is bumped."""

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
    """How to authenticate to Redis."""

    KEY = "key"
    ENTRA = "entra"


class AllowedList(Enum):
    """What happens if the site's allowed list contains a URL that changes."""

    ERROR = "error"
    WARN = "warn"


class Strategy(Enum):
    """How traffic moves to the candidate once it has passed its gates."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    DIRECT = "direct"


class StalePagePolicy(Enum):
    """What happens if browsers would cache old pages under the new version's URL."""

    WARN = "warn"
    CUT_OVER = "cut-over"
    OFF = "off"


class Transport(Enum):
    """The protocol of an app's ingress, by Azure's names."""

    AUTO = "auto"
    HTTP = "http"
    HTTP2 = "http2"


class OnRollback(Enum):
    """What happens to the manifest on the branch after a manual rollback."""

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
    """What happens if the analysis of a step has too little data."""

    CONTINUE = "continue"
    ABORT = "abort"
