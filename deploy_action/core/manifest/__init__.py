"""The add-in's manifest: its version and its own pages' addresses, read and raised byte-exactly.

Bytes are edited, never re-serialised: every writer of XML that was tried changed something else,
too (facts: manifest, section 4). The rules are those of section 5 there.
"""

from deploy_action.core.manifest.edit import Bump, Edit, Manifest, Note, plan, read

__all__ = ["Bump", "Edit", "Manifest", "Note", "plan", "read"]
