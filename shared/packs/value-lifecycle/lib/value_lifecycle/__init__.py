"""What the agents of the pack share: a program of value, from opportunities found to value certified."""
