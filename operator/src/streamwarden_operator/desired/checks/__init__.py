"""What the statuses say: each condition is decided by a chain of small named checks over what was gathered."""
