"""From inputs and the settings file to `Settings`; nothing else reads either."""
