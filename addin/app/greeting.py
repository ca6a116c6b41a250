"""The greeting that the API returns."""

GREETING = "Hello from the well"
