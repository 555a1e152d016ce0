"""The three ways to run an attempt (`reuse`): never, fork, process. `port` is what the worker calls."""
