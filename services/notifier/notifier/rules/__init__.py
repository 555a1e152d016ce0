"""What the notifier decides, as pure functions: which events match, when to try again, when to leave a target alone."""
