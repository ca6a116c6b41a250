"""Renders the record for console, summary and outputs, without side effects."""
