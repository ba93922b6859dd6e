"""Whether an agent can go round its gate: every attempt, made with its own credentials."""
