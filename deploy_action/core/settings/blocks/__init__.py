"""Nested settings: one file per block, with its parser from YAML and its schema."""
