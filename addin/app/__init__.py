"""The sample API: a greeting, its own health, and the Outlook add-in that it serves."""
