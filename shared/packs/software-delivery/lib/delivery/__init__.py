"""What the agents of software-delivery share: from a requirements document to a reviewed Git history."""
