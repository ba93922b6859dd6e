"""AgentDeployments: one agent brought up, kept, and brought down."""
