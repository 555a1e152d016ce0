"""What the notifier remembers, in a schema of its own: `notifier`."""
