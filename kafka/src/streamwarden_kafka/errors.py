"""What can be wrong with Kafka's clients and their settings."""


class MalformedPropertiesError(ValueError):
    """A line of client settings is not ``name=value``. Its text is not repeated: it may be a password.

    Attributes:
        line: its number, from 1.
    """

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is not name=value")
        self.line = line
