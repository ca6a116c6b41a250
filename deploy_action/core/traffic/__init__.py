"""How user traffic is divided, and in which steps it moves."""
