"""Processes, polling, signals, HTTP, concurrency and masking."""
