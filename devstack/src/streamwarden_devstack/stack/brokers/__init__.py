"""Kafka's brokers: who they are, how each is configured, and one or three of them as one object."""
