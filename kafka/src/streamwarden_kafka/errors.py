"""What can be wrong with Kafka's clients and their settings.

KafkaClientError
├── ConnectionSettingsError          a setting is missing or cannot be used: only an edit helps
│   └── MalformedPropertiesError     a line of client settings that is none
├── BrokerUnavailableError           no answer, or not the one that was waited for: try again later
│   ├── LoginRefusedError            the broker does not take the user or the password
│   ├── MechanismNotOfferedError     the broker takes no logins of this kind, whoever comes
│   ├── ThrottledError               a quota makes this user wait: not before that time is over
│   ├── NotAuthorizedError           the broker forbids it to the user: only who grants it helps
│   ├── NotSpreadError               the broker has not heard yet of what is spoken of, or of who is in charge of it
│   └── NotReachedError              what is looked for lies further than one try goes: ask again from there
├── RequestRefusedError              a broker refuses a request for what it is, or for who sends it
│   └── GroupHasMembersError         the group has members: only they commit for it
├── ReaderFailedError                the process that reads cannot be started, or its client has failed for good
├── NotAMemberError                  this process is no member of its consumer group now
└── TransactionError                 a transaction was not committed, or is not known to be
    ├── TransactionAbortedError      nothing of it is visible: the next one may begin
    │   └── RecordRefusedError       the broker refuses one of its records: a repetition would be refused too
    ├── TransactionUnknownError      nobody knows: open the producer again, then read what is committed
    │   └── ProducerFailedError      likewise, and librdkafka calls the error fatal
    │       └── ProducersHangError   too many transactions hang: only a new process can go on
    └── ProducerFencedError          another process has the transactional id
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


class LoginRefusedError(BrokerUnavailableError):
    """A broker does not take the user, or the password. It may not know yet of one that was made just now."""


class MechanismNotOfferedError(BrokerUnavailableError):
    """A broker's listener takes no logins by this mechanism, whoever comes."""


class NotAuthorizedError(BrokerUnavailableError):
    """A broker knows the user and forbids the act, until somebody grants it."""


class ThrottledError(BrokerUnavailableError):
    """A quota of the user is used up, and brokers make it wait.

    Attributes:
        left_s: seconds until it may go on.
    """

    def __init__(self, message: str, left_s: float) -> None:
        super().__init__(message)
        self.left_s = left_s


class NotSpreadError(BrokerUnavailableError):
    """A broker has not heard yet of a topic's or a group's beginning, or of who is in charge of it now."""


class NotReachedError(BrokerUnavailableError):
    """So much is to be passed over that the next batch is not reached yet: ask again.

    Attributes:
        reached: the offset to go on from.
    """

    def __init__(self, message: str, reached: int) -> None:
        super().__init__(message)
        self.reached = reached


class RequestRefusedError(KafkaClientError):
    """A broker refuses a request for what it is, or for who sends it: asking again does not help."""


class GroupHasMembersError(RequestRefusedError):
    """A group has members: only they commit for it."""


class ReaderFailedError(KafkaClientError):
    """A process that reads for this one ends before it has answered anything, again and again, or its client fails."""


class NotAMemberError(KafkaClientError):
    """This process is no member of its consumer group now, and so commits nothing for it."""


class TransactionError(KafkaClientError):
    """A transaction was not committed, or is not known to be."""


class TransactionAbortedError(TransactionError):
    """The transaction was aborted: nothing of it is visible."""


class RecordRefusedError(TransactionAbortedError):
    """The broker refuses a record for what it is, and the transaction with it.

    Attributes:
        topic: where the record was to go; empty where librdkafka does not say.
        code: Kafka's name of the error.
        for_itself: whether for what the record is, as for its size; else for who writes it, or where.
    """

    def __init__(self, message: str, *, topic: str = "", code: str = "", for_itself: bool = False) -> None:
        super().__init__(message)
        self.topic = topic
        self.code = code
        self.for_itself = for_itself


class TransactionUnknownError(TransactionError):
    """Nobody knows whether the transaction was committed. The producer is gone."""


class ProducerFailedError(TransactionUnknownError):
    """The producer met an error that librdkafka calls fatal; a new one may meet it again."""


class ProducersHangError(ProducerFailedError):
    """So many transactions hang that no further producer is opened: only a new process can go on."""


class ProducerFencedError(TransactionError):
    """Another process took the transactional id over. The producer is gone.

    Attributes:
        certain: whether only another process can have done it. A coordinator also fences a producer whose transaction
            was open for longer than its timeout, as during an outage.
    """

    def __init__(self, message: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.certain = certain
