"""What every HTTP door has: how endpoints are declared, read, refused, measured and documented."""
