"""What is known of Kafka's clients, in one room: connections, settings by role, transactions, errors.

It knows no kind and no policy.
"""
