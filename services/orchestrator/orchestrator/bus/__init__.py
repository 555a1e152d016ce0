"""Door 2: someone reports. Claims, renewals and results from runners; their registry, logs and checkpoints."""
