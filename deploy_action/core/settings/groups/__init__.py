"""The declarations of all settings, a file per subject."""
