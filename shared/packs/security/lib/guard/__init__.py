"""What the agents of this pack share."""
