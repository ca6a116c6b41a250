"""Nested settings: one file per block, from a YAML value to what it asks for, and its schema."""
