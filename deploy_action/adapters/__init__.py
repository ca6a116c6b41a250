"""One outside thing each; they do not know each other."""
