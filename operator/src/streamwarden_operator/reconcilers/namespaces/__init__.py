"""What the agents of a namespace share."""
