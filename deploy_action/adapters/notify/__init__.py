"""Notification channels: one module for each service."""
