"""Kafka, as the ports see it: topics, ACLs, users, offsets, lag, the policy log and what gates report."""
