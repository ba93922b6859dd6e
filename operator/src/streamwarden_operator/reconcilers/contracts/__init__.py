"""TopicContracts: topic, schema and access."""
