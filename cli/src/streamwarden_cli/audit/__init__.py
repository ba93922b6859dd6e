"""``streamwarden audit verify``: whether the audit chains of a namespace are whole, read from Kafka."""
