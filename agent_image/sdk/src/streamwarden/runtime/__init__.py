"""Serves an agent on Kafka: ``python -m streamwarden.runtime``. Transport only; what happens to a record is in core."""
