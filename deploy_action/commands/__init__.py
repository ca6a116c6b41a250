"""One file per verb; each tells its story. Read these first."""
