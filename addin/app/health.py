"""The app's health. Change this to False to see a deployment roll back."""

HEALTHY = True
