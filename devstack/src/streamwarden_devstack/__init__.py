"""A real Kafka, schema registry and Kubernetes on a machine without Docker. No product code imports it."""
