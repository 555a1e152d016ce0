"""Language models for agents: which there are, how a call is made, and what it took."""
