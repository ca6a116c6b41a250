"""What the app is for."""

GREETING = "Hello from the well"
