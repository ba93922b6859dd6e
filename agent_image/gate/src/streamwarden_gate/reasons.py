"""The closed vocabulary of what a gate reports when a set is not in force. Words are added, never changed.

Each word says three things, in as many paragraphs: what is so, whether it ends by itself, and the first step of who
reads it. `docs/reference/reasons.md` shows them.
"""

from enum import StrEnum


class RefusalReason(StrEnum):
    """Why a gate refuses a policy set, or does not judge a partition."""

    LOG_MISSING = "LogMissing"
    """A policy topic has no signed epoch record.

    Yes, once the operator publishes.

    See whether the operator runs, and whether policies say ``NotPublished``.
    """
    BINDING_MISSING = "BindingMissing"
    """No binding names this agent.

    Yes, once the operator publishes one.

    Read the conditions of the AgentDeployment: they say what it waits for.
    """
    UNSIGNED = "Unsigned"
    """A record of a policy topic carries no signature, or more than one.

    Yes, once the operator writes the key again; what was in force stays.

    Find out who else may write the policy topic: ``BypassPossible`` and the broker's ACLs name them.
    """
    UNKNOWN_KEY = "UnknownKey"
    """Signed with a key that is not among the public keys.

    Yes, once the public key is mounted: keys are read again without a restart.

    Compare the key id with the operator's public keys; where nobody has changed keys, somebody else has signed.
    """
    BAD_SIGNATURE = "BadSignature"
    """The signature is not by the key that it names, or is of another cluster, topic or key.

    Yes, once the operator writes the key again; what was in force stays.

    Find out who else may write the policy topic, and whether the topic was copied from another cluster.
    """
    UNREADABLE = "Unreadable"
    """Signed, and yet no record of this format.

    No: it takes newer gates, or a record that they can read.

    Bring the agent's gates to the operator's version: a newer operator may write what they do not know.
    """
    ROLLED_BACK = "RolledBack"
    """An epoch or revision is lower than one that was in force before.

    Yes, once the policy log has come as far again.

    See whether the policy topic was lost, restored or copied from elsewhere.
    """
    AGENT_MISMATCH = "AgentMismatch"
    """The binding is another agent's: the UID or a name differs.

    Yes, as a rule: the agent was made again, and pods of the new one replace these.

    See whether the AgentDeployment was deleted and made again, and end pods that are left over.
    """
    BINDING_INCOMPLETE = "BindingIncomplete"
    """A policy or schema that the binding names is not there, or not at its revision; or the log's index is not the one
    that its epoch says.

    Yes, once the operator writes what is missing.

    See whether policies say ``NotPublished``, and whether somebody has deleted records of the policy topic.
    """
    DIGEST_MISMATCH = "DigestMismatch"
    """A policy's or schema's content is not what the binding says.

    Yes, once the operator writes them anew; what was in force stays.

    Tell whoever answers for the signing key: content and binding are signed, and do not fit.
    """
    INVALID_EXPRESSION = "InvalidExpression"
    """A rule does not compile in this gate: what its policy covers is denied, all else is judged.

    No.

    Mend the policy, or bring gates and operator to one version: what the operator checks, gates of its version compile.
    """
    INVALID_SCHEMA = "InvalidSchema"
    """A command topic's schema does not compile in this gate: decisions of its types are denied, all others are judged.

    No.

    Mend the schema in the TopicContract.
    """
    TOPIC_MISMATCH = "TopicMismatch"
    """A topic is not the one that the binding was made for: id or partition count differ, or it is not there.

    Yes, where Kafka only takes a while to tell; not where the topic was made again.

    Read ``TopicsReady`` of the AgentDeployment: it says which topic was deleted, and how to begin anew.
    """
    OFFSETS_LOST = "OffsetsLost"
    """A decision partition has no committed offset, or one that the log no longer holds.

    No: nobody may guess where to go on.

    See what deleted the offset or the records; to begin anew, delete the AgentDeployment and its decision topic, and
    make the AgentDeployment again.
    """
    CHAIN_LOST = "ChainLost"
    """The committed offset carries no readable head of the audit chain.

    No.

    See who else has committed for the gate's group (tools, MirrorMaker); to begin anew, delete the AgentDeployment and
    its decision topic, and make the AgentDeployment again. To pass over decisions never move the offset:
    ``streamwarden gate skip`` does it.
    """
    UNREADABLE_PARTITION = "UnreadablePartition"
    """A batch of a decision partition cannot be decoded.

    Yes: the gate passes over it (``RecordsSkipped``); after ten ranges in an hour it says ``TooManySkips``.

    See which client the agent writes with.
    """
    TARGET_REFUSED = "TargetRefused"
    """A broker takes nothing of this gate on a topic that a decision of the partition leads to.

    Yes, once the broker takes it: it is tried again every 5 s. Other partitions are judged.

    Mend the topic or the rights that the message names; or pass over the decision with ``streamwarden gate skip``.
    """
    TOO_MANY_SKIPS = "TooManySkips"
    """So many ranges of records that kill the gate were skipped in an hour that it skips no more.

    Yes, once the hour of the first of them is over: tried again every minute. Other partitions are judged.

    Stop what writes them; then let the gate go on behind them with ``streamwarden gate skip``.
    """
    KAFKA_UNAVAILABLE = "KafkaUnavailable"
    """The broker does not answer, so the policies cannot be read.

    Yes, once it answers.

    See whether the brokers run, and whether the gate's pod may reach them.
    """
    ANOTHER_CLUSTER = "AnotherCluster"
    """Another Kafka answers under the same address than the one that the gate began with, by its cluster id.

    Yes, once the first one answers again; nothing is judged before that, so that no mirror of it commands twice.

    See where the bootstrap servers lead. To move to another Kafka on purpose, move the operator and restart the pods.
    """
    STALE = "Stale"
    """For too long nothing has proven that the policy topics were read to their end.

    Yes, once they can be read to their end; nothing is judged before that.

    See whether the brokers run: the leaders of the policy topics' partitions above all.
    """
    COMMITS_FAILING = "CommitsFailing"
    """For more than 30 s each attempt to commit has failed, or the gate was no member of its group, though the
    policies can be read.

    Yes, with the first commit, or a minute after the last attempt where nothing is left to commit, and once the group
    takes it in again; nothing is lost.

    See whether the coordinators of transactions and groups run, whether ``__transaction_state`` and
    ``__consumer_offsets`` have as many replicas in sync as they need, and whether the gate's user may still read its
    group.
    """
    ACK_TOO_LARGE = "AckTooLarge"
    """The newest set is in force, and the list of its policies is too large to be said. The gate judges, stays ready,
    and no rollout counts it.

    Yes, with the next report that is taken.

    Raise ``max.message.bytes`` of the topic of acks, or let fewer policies select the agent: acks of more than 256 KiB
    are not read.
    """
