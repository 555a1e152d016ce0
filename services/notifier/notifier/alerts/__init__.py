"""Alerts in: who may send them, what is kept of them, the events that they become, what they do to the engine."""
