"""A second, light broker: franz-go's ``kfake``, an in-memory Kafka of several brokers in one small process.

For behaviour tests that must hold on more than one implementation, and for those that need an empty Kafka at once.
``docs/devstack.md`` says what it does otherwise than Apache Kafka.
"""

from streamwarden_devstack.kfake.running import Kfake

__all__ = ["Kfake"]
