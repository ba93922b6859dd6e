"""What can go wrong while reconciling. An error is a condition: its class says what to do, its reason is shown.

OperatorError
├── InvalidSpecError          the user must change something; no retry helps until then
│   ├── KubeconfigError       the way to the API server cannot be read
│   ├── KafkaTooOldError      Kafka lacks requests that the operator needs
│   └── UnsupportedChangeError
├── NotReadyError             something this resource needs is not there yet; a change there wakes it
│   └── SigningKeyLostError   until the Secret is put back, or people say that it is lost for good
├── CannotGoOnError           only a new process can go on: this one ends
│   └── LeadershipLostError   another operator writes, or may by now
└── UnavailableError          an outage: retried with backoff
    ├── KafkaUnavailableError
    │   ├── KafkaLoginError   until the operator's user or password is mended
    │   ├── KafkaForbiddenError until somebody grants the operator's user the right
    │   ├── KafkaThrottledError until a time is over: the operator's user has used up a quota
    │   ├── GroupInUseError   until the group has no members
    │   └── QuotaRefusedError until somebody grants the operator the right, or the setting is taken back
    ├── RegistryUnavailableError
    ├── DeadlineExceededError     a reconcile was ended after its longest time
    └── KubernetesUnavailableError
        ├── ForbiddenError    until somebody grants the right, or makes room in a quota
        └── ConflictError     somebody else wrote the object meanwhile: the next reconcile sees what it is now
"""

from streamwarden_contract.reasons import ConditionReason


class OperatorError(Exception):
    """Root. The message is shown in conditions and must say what to do; it never holds a secret."""

    reason: ConditionReason = ConditionReason.PENDING

    def __init__(self, message: str, *, reason: ConditionReason | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class InvalidSpecError(OperatorError):
    """The resource asks for something that cannot be; only an edit helps."""

    reason = ConditionReason.INVALID_SPEC


class KubeconfigError(InvalidSpecError):
    """There is no kubeconfig, or it cannot be read, or lacks the context that was named."""


class KafkaTooOldError(InvalidSpecError):
    """This Kafka does not answer what the operator needs: another one, or a newer version of it, does."""

    reason = ConditionReason.KAFKA_TOO_OLD


class UnsupportedChangeError(InvalidSpecError):
    """The change itself is impossible: fewer partitions, another replication factor."""

    reason = ConditionReason.NOT_SUPPORTED


class NotReadyError(OperatorError):
    """Something this resource refers to is missing or not ready."""

    reason = ConditionReason.REF_NOT_READY


class SigningKeyLostError(NotReadyError):
    """What is in Kafka is signed by a key that is not there."""


class CannotGoOnError(OperatorError):
    """Only a new process can go on, so this one ends."""


class LeadershipLostError(CannotGoOnError):
    """Another operator has fenced this one, and going on would fence it in turn; or has, or may have, the Lease."""


class UnavailableError(OperatorError):
    """A backend does not answer, or refuses for now."""

    retry_after_s: float = 0.0
    """Seconds before which no try can succeed, where that is known."""


class KafkaUnavailableError(UnavailableError):
    """Kafka does not answer."""

    reason = ConditionReason.KAFKA_UNAVAILABLE


class KafkaLoginError(KafkaUnavailableError):
    """Kafka does not take the operator's user or its password."""

    reason = ConditionReason.KAFKA_AUTHENTICATION_FAILED


class KafkaForbiddenError(KafkaUnavailableError):
    """Kafka knows the operator's user, and forbids it."""

    reason = ConditionReason.KAFKA_AUTHORIZATION_FAILED


class KafkaThrottledError(KafkaUnavailableError):
    """Kafka makes the operator's user wait, for a quota."""

    reason = ConditionReason.KAFKA_THROTTLED

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GroupInUseError(KafkaUnavailableError):
    """A group has members, and so nobody else commits for it."""

    reason = ConditionReason.NOT_SUPPORTED


class QuotaRefusedError(KafkaUnavailableError):
    """Kafka refuses to show or to change quotas."""

    reason = ConditionReason.QUOTA_REFUSED


class RegistryUnavailableError(UnavailableError):
    """The schema registry does not answer."""

    reason = ConditionReason.REGISTRY_UNAVAILABLE


class DeadlineExceededError(UnavailableError):
    """A reconcile was not done in its longest time, or what it waited for was given up."""


class KubernetesUnavailableError(UnavailableError):
    """The API server does not answer, or not with what was asked for."""

    reason = ConditionReason.KUBERNETES_UNAVAILABLE


class ForbiddenError(KubernetesUnavailableError):
    """The API server understood, and forbids it."""

    reason = ConditionReason.FORBIDDEN


class ConflictError(KubernetesUnavailableError):
    """The object was changed since it was read; nothing was written."""

    reason = ConditionReason.PENDING
