"""What the agents of the pack share: reading work logs, looking into entries, and writing about them."""
