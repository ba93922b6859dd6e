"""Kafka's protocol over aiokafka's connections, for what librdkafka cannot do: needs the extra ``wire``."""
