"""Door 3: time passes. How often the orchestrator looks at what became due; sweeps have a setting."""

FORGET_EVERY_S = 60.0  # what is kept for days need not go to the second
RETENTION_EVERY_S = 60.0
