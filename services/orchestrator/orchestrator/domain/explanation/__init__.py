"""Why each unfinished node is not done yet: `explain.py` begins, the others know one kind of waiting each."""
