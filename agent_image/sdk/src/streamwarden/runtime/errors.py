"""What is wrong with the process itself. What Kafka does to it is in ``streamwarden_kafka.errors``, for everybody.

RuntimeFaultError             the process cannot go on
└── ConfigurationError        it was started wrongly: the message says what to do; exit code 2
"""

from streamwarden.errors import StreamwardenError


class RuntimeFaultError(StreamwardenError):
    """The process cannot go on; a new one may."""


class ConfigurationError(RuntimeFaultError):
    """The process was started with settings that cannot work."""
