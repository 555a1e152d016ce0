"""The pure core: what happens next. No I/O, no clock, no randomness; import-linter proves it."""
