"""Revisions: their state in Azure, which to keep, and the template of a new one."""
