"""What happens to a record, without Kafka: decode, dispatch, encode. Shared by the runtime and the test kit."""
