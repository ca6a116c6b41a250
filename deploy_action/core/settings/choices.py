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
    """Where the image is built."""

    DOCKER = "docker"
    ACR = "acr"


class Moment(Enum):
    """When the cache is cleared."""

    BEFORE = "before"
    AFTER = "after"


class CacheVia(Enum):
    """Access to the cache."""

    REDIS = "redis"
    ENDPOINT = "endpoint"
    NONE = "none"


class CacheAuth(Enum):
    """Authentication to Redis."""

    KEY = "key"
    ENTRA = "entra"


class AllowedList(Enum):
    """Reaction to an allowed list that contains a URL that changes."""

    ERROR = "error"
    WARN = "warn"


class Strategy(Enum):
    """Strategy of the traffic shift."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    DIRECT = "direct"


class StalePagePolicy(Enum):
    """Reaction to old pages that browsers would cache under the new version's URL."""

    WARN = "warn"
    CUT_OVER = "cut-over"
    OFF = "off"


class Transport(Enum):
    """The protocol of an app's ingress, by Azure's names."""

    AUTO = "auto"
    HTTP = "http"
    HTTP2 = "http2"


class OnRollback(Enum):
    """Treatment of the manifest on the branch after a manual rollback."""

    KEEP = "keep"
    BUMP = "bump"


class CommitBy(Enum):
    """How the version commit is published."""

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
    """Reaction to a step with too little data."""

    CONTINUE = "continue"
    ABORT = "abort"
