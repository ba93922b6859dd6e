"""Who may do what in Kafka: the smallest sets of ACLs. ``bypass`` tells which foreign ones lead round a gate.

READ and WRITE imply DESCRIBE. A producer with a transactional id needs no right on the cluster.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from streamwarden_contract.errors import NameNotAllowedError
from streamwarden_contract.models.topic_contract import Access
from streamwarden_contract.names import AgentNames, InstallationNames, check_external_principal, transactional_prefix

from streamwarden_operator.desired.acl_index import indexed
from streamwarden_operator.ports import Acl

_FIELDS = 7


def agent_acls(names: AgentNames, inputs: Iterable[str]) -> frozenset[Acl]:
    """Return what the agent may do: read its inputs and outcomes, write its own decision topic, nothing else.

    Args:
        names: the agent's names.
        inputs: topics of its inputs and outcomes.
    """
    user = user_of(names.agent_principal)
    return frozenset(
        {
            *(Acl(user, "TOPIC", topic, "READ") for topic in inputs),
            Acl(user, "TOPIC", names.decisions, "WRITE"),
            Acl(user, "GROUP", names.agent_group, "READ"),
            Acl(user, "TRANSACTIONAL_ID", transactional_prefix(names.agent_principal), "WRITE", "PREFIXED"),
        }
    )


def gate_acls(installation: InstallationNames, names: AgentNames, commands: Iterable[str]) -> frozenset[Acl]:
    """Return what the agent's gate may do.

    Args:
        installation: whose guardrails bind it.
        names: the agent's names.
        commands: the topics that its decisions become commands on.
    """
    user, shared = user_of(names.gate_principal), names.shared
    reads = (names.decisions, shared.policies, installation.guardrails)
    writes = (*commands, shared.audit, shared.dead_letters, shared.gates)
    return frozenset(
        {
            *(Acl(user, "TOPIC", topic, "READ") for topic in reads),
            *(Acl(user, "TOPIC", topic, "WRITE") for topic in writes),
            Acl(user, "GROUP", names.gate_group, "READ"),
            Acl(user, "TRANSACTIONAL_ID", transactional_prefix(names.gate_principal), "WRITE", "PREFIXED"),
        }
    )


def access_acls(installation: InstallationNames, topic: str, access: Access) -> frozenset[Acl]:
    """Return what a contract gives to principals outside Streamwarden.

    The ACLs on groups and transactional ids are a user's, not a topic's: several contracts share them.
    """

    def own(user: str) -> str:
        return installation.external_group_prefix(user.removeprefix("User:"))

    return frozenset(
        {
            *(Acl(user, "TOPIC", topic, "WRITE") for user in access.producers),
            *(Acl(user, "TRANSACTIONAL_ID", own(user), "WRITE", "PREFIXED") for user in access.producers),
            *(Acl(user, "TOPIC", topic, "READ") for user in access.consumers),
            *(Acl(user, "GROUP", own(user), "READ", "PREFIXED") for user in access.consumers),
        }
    )


def recorded_acls(installation: InstallationNames, topic: str, recorded: Iterable[object]) -> frozenset[Acl]:
    """Read what a contract's ``status.access`` says was made for it.

    Status is no order: of what it says, only that counts which a contract of this topic can have made.
    """
    found = {acl for text in recorded if isinstance(text, str) and (acl := parse_acl(text)) is not None}
    return frozenset(acl for acl in found if _is_given(installation, topic, acl))


def _is_given(installation: InstallationNames, topic: str, acl: Acl) -> bool:
    """Tell whether a contract of this topic can give an ACL to anybody."""
    try:
        check_external_principal(acl.principal, installation.installation)
    except NameNotAllowedError:
        return False
    somebody = (acl.principal,)
    return acl in access_acls(installation, topic, Access(producers=somebody, consumers=somebody))


def acls_of(observed: AbstractSet[Acl], *principals: str) -> frozenset[Acl]:
    """Return the ACLs of these principals (named without ``User:``): what an agent's plan may take back."""
    index = indexed(observed)
    return frozenset(acl for principal in principals for acl in index.of(user_of(principal)))


def is_streamwarden_principal(principal: str) -> bool:
    """Tell whether a principal (``User:...``) is an agent or a gate: its ACLs are the operator's, level by level."""
    user = principal.removeprefix("User:")
    return user != principal and user.count(".") == 2 and user.endswith((".agent", ".gate"))  # noqa: PLR2004  # <ns>.<agent>.<role>


def format_acl(acl: Acl) -> str:
    """Write an ACL as one line for people and for ``status.access``; ``parse_acl`` reads it back."""
    effect = "deny" if acl.denied else "allow"
    resource = f"{acl.resource_type} {acl.pattern_type} {acl.resource_name}"
    return f"{effect} {acl.principal} {acl.operation} {resource} {acl.host}"


def parse_acl(text: str) -> Acl | None:
    """Read what ``format_acl`` wrote, None for anything else: what is not understood is not taken back."""
    parts = text.split(" ")
    if len(parts) != _FIELDS or parts[0] not in {"allow", "deny"}:
        return None
    effect, principal, operation, resource_type, pattern_type, name, host = parts
    return Acl(principal, resource_type, name, operation, pattern_type, host, denied=effect == "deny")


def user_of(principal: str) -> str:
    """Return a user as ACLs name it."""
    return f"User:{principal}"
