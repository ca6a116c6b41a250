"""The commands, one module each. Start reading here."""
