"""Everything that a user can configure: declared in `schema`, once."""
