"""The number of each agent's pods, by lag."""
