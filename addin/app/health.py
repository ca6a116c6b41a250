"""How the app feels. Change this to False to see a deployment come back by itself."""

HEALTHY = True
