"""The closed vocabularies: reasons of verdicts, dead letters, conditions and changes of the number of pods.

Users match on these words in audit records, conditions and metrics, so a word is added and never changed.
"""

from enum import StrEnum


class VerdictReason(StrEnum):
    """Why a decision was allowed, denied or dead-lettered."""

    RULES_HOLD = "RulesHold"
    """Every rule of every Enforce policy that covers the decision is true."""
    NO_POLICY = "NoPolicy"
    """No Enforce policy covers the agent and the decision type."""
    RULE_NOT_SATISFIED = "RuleNotSatisfied"
    """A rule is false; its ``otherwise`` is the effect."""
    RULE_ERROR = "RuleError"
    """A rule failed, or gave something that is no boolean; or a value is not what its type can hold exactly."""
    POLICY_NOT_APPLICABLE = "PolicyNotApplicable"
    """An Enforce policy covers the decision, and its rules do not check for this agent and decision type."""
    INVALID_SCHEMA = "InvalidSchema"
    """The command topic's schema does not compile in the gate: decisions of the type cannot be checked."""
    DEAD_LETTER = "DeadLetter"
    """The record could not be judged; the dead letter says why."""
    SKIPPED = "Skipped"
    """Passed over: the gate died of it again and again, or its batch cannot be read or gives untrue offsets."""
    SKIPPED_ON_REQUEST = "SkippedOnRequest"
    """Somebody asked for it in the agent's ``skips``; the message says who and why."""


class DeadLetterReason(StrEnum):
    """Why a record went to the dead-letter topic in place of being judged."""

    MALFORMED_HEADERS = "MalformedHeaders"
    """A CloudEvents attribute is missing, repeated, unknown or not valid."""
    RESERVED_HEADER = "ReservedHeader"
    """The record carries an ``sw-`` header, which only the gate and the operator may write."""
    MALFORMED_VALUE = "MalformedValue"
    """The value is not strict JSON: broken UTF-8, a repeated key, a number out of range, too deep."""
    MALFORMED_DECISION = "MalformedDecision"
    """The value is JSON but no decision: a field is missing, unknown or of the wrong type."""
    MISSING_KEY = "MissingKey"
    """The record has no key."""
    ENTITY_MISMATCH = "EntityMismatch"
    """Entity, ``ce_subject`` and record key are not the same."""
    WRONG_PARTITION = "WrongPartition"
    """The key's murmur2 partition is another one."""
    UNDECLARED_TYPE = "UndeclaredType"
    """The agent's binding does not list this decision type."""
    SCHEMA_MISMATCH = "SchemaMismatch"
    """The parameters do not fit the command topic's schema."""
    TOO_LARGE = "TooLarge"
    """The record is larger than 64 KiB."""
    REFUSED_BY_BROKER = "RefusedByBroker"
    """A broker refuses what would follow from it: its command is larger than the command topic allows."""
    AGENT_FAILURE = "AgentFailure"
    """The agent reported an input that it could not process."""


class ConditionReason(StrEnum):
    """Why a condition has its status."""

    OK = "OK"
    """As it should be."""
    ADOPTED = "Adopted"
    """As it should be; the topic was there before the contract. The message says what taking it over has changed."""
    INVALID_SPEC = "InvalidSpec"
    """A field's value is refused; the message names the field and what to write."""
    INVALID_CONFIG = "InvalidConfig"
    """Kafka refused a topic configuration."""
    INVALID_EXPRESSION = "InvalidExpression"
    """A CEL expression does not compile."""
    UNTYPED_RULES = "UntypedRules"
    """Rules that were in force before they were checked by types go on, and would be refused at the next edit."""
    RULE_ERROR = "RuleError"
    """A rule in force cannot be evaluated for decisions, which denies them; the message says which, and why."""
    POLICY_NOT_APPLICABLE = "PolicyNotApplicable"
    """The rules do not check for some agent and decision type: those decisions are denied, no others."""
    COVERS_NOTHING = "CoversNothing"
    """The policy is accepted and in force, and covers no decision: no agent that it selects has one of its types."""
    NO_RULES = "NoRules"
    """The Enforce policy is accepted and has no rules: everything that it covers is allowed."""
    NOT_COVERED = "NotCovered"
    """The agent is accepted, and no Enforce policy covers some of its decision types: those decisions are denied."""
    BREAKS_POLICIES = "BreaksPolicies"
    """Rules that check with the schema in force would not with the new one: it is not registered or published."""
    INVALID_SCHEMA = "InvalidSchema"
    """The schema is refused, or not compatible with the registered one."""
    EVENTS_REFUSED = "EventsRefused"
    """Events are not what the contract promises, and reach no handler; the message says whose, and what is wrong."""
    NAME_NOT_ALLOWED = "NameNotAllowed"
    """A topic, principal or agent name is reserved or outside its namespace."""
    NOT_SUPPORTED = "NotSupported"
    """The change cannot be made: fewer partitions, another replication factor, a keyed topic's partitions."""
    RESOURCE_CONFLICT = "ResourceConflict"
    """An older resource claims the same topic (the oldest wins), an object of a needed name is somebody else's, or
    somebody deletes a user of ours again and again."""
    NAMESPACE_TAKEN = "NamespaceTaken"
    """Another installation has this namespace in the same Kafka: nothing in it is made, changed or taken away."""
    SHARED_TOPIC_LOST = "SharedTopicLost"
    """A topic that agents share was deleted, or is another: it is not made again before people end the incident."""
    TOO_FEW_REPLICAS = "TooFewReplicas"
    """A topic that agents share has fewer replicas than the operator's settings say; all works until brokers fail."""
    REF_NOT_FOUND = "RefNotFound"
    """A referenced TopicContract does not exist (yet)."""
    REF_NOT_READY = "RefNotReady"
    """A referenced TopicContract exists, but is not Ready."""
    UNGOVERNED_PRODUCER = "UngovernedProducer"
    """A principal outside Streamwarden may write a topic that agents command."""
    BYPASS_POSSIBLE = "BypassPossible"
    """A foreign ACL lets somebody write what a gate governs, read decisions, or join or fence an agent or its gate."""
    OFFSETS_LOST = "OffsetsLost"
    """A decision partition has records and no committed gate offset: nobody may guess where to go on."""
    KAFKA_UNAVAILABLE = "KafkaUnavailable"
    """Kafka does not answer; retried with backoff."""
    KAFKA_AUTHENTICATION_FAILED = "KafkaAuthenticationFailed"
    """Kafka does not take the operator's user or its password; retried with backoff."""
    KAFKA_AUTHORIZATION_FAILED = "KafkaAuthorizationFailed"
    """Kafka forbids it to the operator's user, until somebody grants it the right; the message says what was tried."""
    KAFKA_TOO_OLD = "KafkaTooOld"
    """Kafka does not answer requests that the operator needs; the message names them, and the versions that do."""
    KAFKA_THROTTLED = "KafkaThrottled"
    """Kafka makes the operator's user wait, which has used up its quota for changes of topics; it goes on by itself."""
    CREDENTIALS_ROTATING = "CredentialsRotating"
    """Users have new passwords, and pods that still go by those of before are being replaced. Nothing is wrong."""
    QUOTA_REFUSED = "QuotaRefused"
    """Kafka refuses the operator what the quotas in its settings need; the message says what to grant."""
    REGISTRY_UNAVAILABLE = "RegistryUnavailable"
    """The schema registry does not answer; retried with backoff."""
    KUBERNETES_UNAVAILABLE = "KubernetesUnavailable"
    """The API server does not answer; retried with backoff."""
    FORBIDDEN = "Forbidden"
    """The API server forbids it to the operator, or a quota or an admission rule does; the message says what."""
    PENDING = "Pending"
    """Work is under way; nothing is wrong."""
    SCALED_TO_ZERO = "ScaledToZero"
    """There is no lag, so no pod is wanted; the next record brings one. Nothing is wrong."""
    LAG_UNKNOWN = "LagUnknown"
    """The lag could not be read several times in a row: the pods stay as they are until it is known again."""
    FALLBACK = "Fallback"
    """The lag could not be read several times in a row, and ``fallback`` says how many pods there are until then."""
    NOT_PUBLISHED = "NotPublished"
    """The policy log could not be written."""
    GATES_TOO_OLD = "GatesTooOld"
    """Gates that run are of a version that cannot read what would be published: it waits until they are replaced."""
    WAITING_FOR_GATES = "WaitingForGates"
    """Not every gate has acknowledged this revision yet."""
    NO_GATES = "NoGates"
    """No gate is bound by this policy."""
    REJECTED_BY_GATE = "RejectedByGate"
    """A gate refused the policy set; its message says why."""
    RECORDS_SKIPPED = "RecordsSkipped"
    """A gate passed over decisions: they kill it, cannot be read, or give untrue offsets. The message says which."""
    DECISIONS_IN_OPEN_TRANSACTION = "DecisionsInOpenTransaction"
    """Decisions wait behind a transaction of the agent's user that stays open: no gate can read them before its end."""
    SKIP_REFUSED = "SkipRefused"
    """A range in ``skips`` is not passed over, and will not be before it is edited; the message says why."""
    GATE_STALE = "GateStale"
    """Nothing proves to a gate that its policies are up to date: it judges nothing until it can read them again."""
    COMMITS_FAILING = "CommitsFailing"
    """A gate can read its policies and commits nothing: no decision becomes a command before it can."""
    GATE_NOT_READY = "GateNotReady"
    """No gate of this agent has its policies in force."""
    AGENT_NOT_READY = "AgentNotReady"
    """No pod of the agent has joined its consumer group yet."""
    CRASHING = "Crashing"
    """The agent's or gate's process keeps ending; the message has its last lines."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the agent's pod; the message has the scheduler's words."""
    DELETION_BLOCKED = "DeletionBlocked"
    """What must be undone outside could not be yet; the message says how to let go."""
    DRIFTED = "Drifted"
    """Something was changed behind the operator's back and has been put back."""
    IN_SYNC = "InSync"
    """Nothing was changed behind the operator's back."""
    PAUSED = "Paused"
    """The annotation streamwarden.io/pause-reconciliation is "true": what exists stays as it is."""
    UNMANAGED = "Unmanaged"
    """The annotation streamwarden.io/managed is "false": the resource is not touched."""


class ScalingReason(StrEnum):
    """Why an agent has as many pods as it has: in ``status.lastScaling``, and reasons of Kubernetes Events."""

    ACTIVATED = "Activated"
    """There were no pods, and the lag is above ``activationLagThreshold``."""
    LAG_ABOVE_THRESHOLD = "LagAboveThreshold"
    """The lag is more than the pods are expected to carry: there are more at once."""
    AT_MAXIMUM = "AtMaximum"
    """The lag wants more pods than ``maxReplicaCount`` or the partitions allow: there are as many as may be."""
    LAG_BELOW_THRESHOLD = "LagBelowThreshold"
    """Fewer pods have been enough for the whole ``cooldownPeriod``."""
    SCALED_TO_ZERO = "ScaledToZero"
    """The lag has not been above ``activationLagThreshold`` for the whole ``cooldownPeriod``."""
    COOLING_DOWN = "CoolingDown"
    """Fewer pods would be enough now, and not yet for the whole ``cooldownPeriod``: they stay."""
    STEADY = "Steady"
    """There are as many pods as the lag wants."""
    BOUNDS_CHANGED = "BoundsChanged"
    """The number of pods was outside of what ``scaling`` or the partitions allow."""
    CRASHING = "Crashing"
    """The lag wants more pods, but those there are keep ending: more of them would end too."""
    LAG_UNKNOWN = "LagUnknown"
    """The lag could not be read: the pods stay as they are."""
    LAG_KNOWN = "LagKnown"
    """The lag can be read again."""
    FALLBACK = "Fallback"
    """The lag could not be read ``fallback.failureThreshold`` times in a row: ``fallback.replicas`` holds."""


class EventReason(StrEnum):
    """Reasons of Kubernetes Events that are neither a condition's nor the scaler's.

    Each word says its type, when it is said, and what to do, in as many paragraphs.
    """

    INSTALLATION_TAKEN_OVER = "InstallationTakenOver"
    """Normal.

    The installation of another cluster goes on in this one, as people have asked.

    Nothing.
    """
    CREDENTIALS_ROTATION_BEGUN = "CredentialsRotationBegun"
    """Normal.

    A user gets a new password; the message says why, and whether the one before stays valid meanwhile.

    Nothing; watch the pods where it is replaced in place.
    """
    CREDENTIALS_ROTATED = "CredentialsRotated"
    """Normal.

    Only the passwords in the Secrets are valid from now on.

    Nothing.
    """
    CREDENTIALS_ROTATION_REFUSED = "CredentialsRotationRefused"
    """Warning.

    Another password is due, and nobody could tell whether pods would get in by it.

    Let the operator log in by settings with which it can try passwords.
    """
    USERS_DELETED = "UsersDeleted"
    """Warning.

    Somebody has deleted users of ours; they are made again.

    Find out who deletes users that it does not know.
    """
    PASSWORD_ALTERED = "PasswordAltered"  # noqa: S105  # a word, no password
    """Warning.

    Kafka has another password of a user than its Secret; it is set again.

    Find out who has altered it.
    """
    DELEGATION_TOKENS_ENDED = "DelegationTokensEnded"
    """Warning.

    A user of ours had delegation tokens, by which somebody could act as it; they are ended.

    Find out who has made them; rotate the credentials.
    """
    RECORD_NOT_BELIEVED = "RecordNotBelieved"
    """Warning.

    A record of a policy log is not signed by a key of ours; it is written over.

    Find out who may write the topic.
    """
    KEY_ROTATION_BEGUN = "KeyRotationBegun"
    """Normal.

    The next signing key is made, and given to all gates.

    Nothing.
    """
    KEY_ROTATION_WAITS = "KeyRotationWaits"
    """Normal.

    Gates do not know the next key yet; the message names them.

    Look at those gates if it does not end.
    """
    KEY_SIGNS = "KeySigns"
    """Normal.

    The next key signs; every log is signed anew.

    Nothing.
    """
    KEY_ROTATED = "KeyRotated"
    """Normal.

    The key before is taken from the gates.

    Nothing.
    """
    INVENTORY_ADOPTED = "InventoryAdopted"
    """Normal.

    People had things taken into the inventory; the message has which, and the request.

    Nothing.
    """
    INVENTORY_RELEASED = "InventoryReleased"
    """Normal.

    People had things taken out of the inventory; the message has which, and the request.

    Nothing.
    """
    NOT_READABLE = "NotReadable"
    """Warning.

    This version of the operator does not understand the object, and leaves it as it is.

    Upgrade the operator, or mend the object.
    """
