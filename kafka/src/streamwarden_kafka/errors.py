"""What can be wrong with Kafka's clients and their settings.

KafkaClientError
├── ConnectionSettingsError        a setting is missing or cannot be used: only an edit helps
│   └── MalformedPropertiesError   a line of client settings that is none
└── BrokerUnavailableError         no answer, or not the one that was waited for: try again later
"""


class KafkaClientError(Exception):
    """Root of everything raised here; its message is safe to show to a user."""


class ConnectionSettingsError(KafkaClientError, ValueError):
    """A setting is missing or cannot be used. Names the setting, never a value that may be a secret."""


class MalformedPropertiesError(ConnectionSettingsError):
    """A line of client settings is not ``name=value``. Its text is not repeated: it may be a password.

    Attributes:
        line: its number, from 1.
    """

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: write name=value")
        self.line = line


class BrokerUnavailableError(KafkaClientError):
    """A broker does not answer, or refuses for now."""
