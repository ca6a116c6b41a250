"""The record in words: pure renderings for console, summary and outputs."""
