"""The Kubernetes side: the API server, and what was last seen of it."""
