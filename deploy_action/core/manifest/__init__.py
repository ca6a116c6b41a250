"""The add-in's manifest: its version and its own pages' addresses, read and raised byte-exactly.

Bytes are edited, never re-serialised: every writer of XML and JSON that was tried changed something
else, too. Both kinds are taken: the add-in only manifest in XML and the unified one in JSON.
"""

from deploy_action.core.bump_rules import Match, Rules, UrlMode
from deploy_action.core.manifest import allowed
from deploy_action.core.manifest.edit import Bump, Edit, Manifest, Note, plan, read
from deploy_action.core.manifest.model import Form

__all__ = [
    "Bump",
    "Edit",
    "Form",
    "Manifest",
    "Match",
    "Note",
    "Rules",
    "UrlMode",
    "allowed",
    "plan",
    "read",
]
