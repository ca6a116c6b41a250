"""Delivers notifications."""
