"""What people ask a gate to pass over: checked against what Kafka says, shown, and written into the agent's spec."""
