"""The add-in's manifest: its version and its own pages' URLs, read and bumped byte-exactly.

Bytes are edited, never re-serialised: every XML and JSON writer that was tried changed something
else, too. Both formats are supported: the add-in only manifest in XML and the unified one in JSON.
"""
