"""Names of topics, groups, principals and transactional ids, and the checks that keep them apart.

No name can reach another's: an agent name has no dot, so ``<ns>.<agent>.gate`` is never a prefix of another
principal; a PREFIXED ACL always ends in a dot (``team-a`` would match ``team-ab``).
"""

import re
from dataclasses import dataclass

from streamwarden_contract.errors import NameNotAllowedError

SYSTEM = "streamwarden"
"""The word that no agent and no namespace with agents may have, and the name of an installation that has no other."""

AGENT_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
"""A DNS label of at most 40 characters: it cannot contain the dot that separates names."""

TOPIC_NAME_PATTERN = r"^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,247}[a-zA-Z0-9])?$"
"""Kafka's characters without ``_``, which collides with ``.`` in Kafka's metrics."""

PRINCIPAL_PATTERN = r"^User:[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$"
"""A principal outside Streamwarden. No dot: ``a`` may use the groups ``<installation>.ext.a.*``, and a user ``a.b``
would have its groups among them.
"""

AGENT_TOPICS = ("decisions", "state", "memory", "referrals")
"""Last words of the topics that are an agent's own. No contract may claim them, also before agents have them."""

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_AGENT_NAME = re.compile(AGENT_NAME_PATTERN.strip("^$"))
_TOPIC_NAME = re.compile(TOPIC_NAME_PATTERN.strip("^$"))
_PRINCIPAL = re.compile(PRINCIPAL_PATTERN.strip("^$"))


@dataclass(frozen=True, slots=True)
class InstallationNames:
    """What exists once an installation: all of it begins with its name."""

    installation: str = SYSTEM
    """A DNS label: without a dot, no name of one installation begins like another's."""

    @property
    def operator_principal(self) -> str:
        return f"{self.installation}.operator"

    @property
    def lease(self) -> str:
        """The Lease of whoever leads; an object of Kubernetes."""
        return f"{self.installation}-leader"

    @property
    def publisher_transactional_id(self) -> str:
        return f"{transactional_prefix(self.operator_principal)}policy-log"

    @property
    def guardrails(self) -> str:
        """The policy topic that binds every namespace."""
        return f"{self.installation}.policies"

    @property
    def inventory(self) -> str:
        """The topic of what the operator has made: see ``inventory``."""
        return f"{self.installation}.inventory"

    def reader_group(self, reader: str) -> str:
        """Return the group of one of the operator's readers. None joins it: clients want a name."""
        return f"{transactional_prefix(self.operator_principal)}{reader}"

    def external_group_prefix(self, user: str) -> str:
        """Return how the groups (and transactional ids) of a principal outside Streamwarden begin."""
        return f"{self.installation}.ext.{user}."


@dataclass(frozen=True, slots=True)
class NamespaceNames:
    """The topics that the agents of one namespace share: one installation has a namespace, so it is not named."""

    namespace: str

    @property
    def audit(self) -> str:
        return f"{self.namespace}.{SYSTEM}.audit"

    @property
    def approvals(self) -> str:
        return f"{self.namespace}.{SYSTEM}.approvals"

    @property
    def dead_letters(self) -> str:
        return f"{self.namespace}.{SYSTEM}.dlq"

    @property
    def policies(self) -> str:
        return f"{self.namespace}.{SYSTEM}.policies"

    @property
    def gates(self) -> str:
        return f"{self.namespace}.{SYSTEM}.gates"


@dataclass(frozen=True, slots=True)
class AgentNames:
    """Everything in Kafka that is named after one agent. Groups have their principal's name."""

    namespace: str
    agent: str

    @property
    def shared(self) -> NamespaceNames:
        return NamespaceNames(self.namespace)

    @property
    def decisions(self) -> str:
        return f"{self.namespace}.{self.agent}.decisions"

    @property
    def agent_principal(self) -> str:
        return f"{self.namespace}.{self.agent}.agent"

    @property
    def gate_principal(self) -> str:
        return f"{self.namespace}.{self.agent}.gate"

    @property
    def agent_group(self) -> str:
        return self.agent_principal

    @property
    def gate_group(self) -> str:
        return self.gate_principal

    def gate_transactional_id(self, pod: str) -> str:
        return f"{transactional_prefix(self.gate_principal)}{pod}"

    def agent_transactional_id(self, pod: str) -> str:
        return f"{transactional_prefix(self.agent_principal)}{pod}"


def transactional_prefix(principal: str) -> str:
    """The prefix of a principal's transactional ids: the final dot keeps ``x`` from covering ``x.agent``."""
    return f"{principal}."


def is_dns_label(name: str) -> bool:
    """Whether a namespace or an installation may be called so."""
    return _DNS_LABEL.fullmatch(name) is not None


def check_namespace(namespace: str, installation: str = SYSTEM) -> None:
    """Refuse a namespace that may hold no agents.

    Raises:
        NameNotAllowedError: malformed, ``streamwarden``, or named like the installation.
    """
    if not is_dns_label(namespace):
        raise NameNotAllowedError(f"namespace {namespace!r} is not a DNS label")
    if namespace in {SYSTEM, installation}:
        raise NameNotAllowedError(f"the namespace {namespace!r} is Streamwarden's own and takes no agents or contracts")


def check_agent_name(name: str) -> None:
    """Refuse an agent name that could be taken for part of another name.

    Raises:
        NameNotAllowedError: not a DNS label of at most 40 characters, or ``streamwarden``.
    """
    if not _AGENT_NAME.fullmatch(name):
        raise NameNotAllowedError(
            f"agent name {name!r}: use a DNS label of at most 40 characters (a-z, 0-9, -; no dots)"
        )
    if name == SYSTEM:
        raise NameNotAllowedError(f"the agent name {SYSTEM!r} is reserved")


def check_topic_name(namespace: str, topic: str, installation: str = SYSTEM) -> None:
    """Refuse a contract's topic that is reserved or lies outside its namespace.

    Raises:
        NameNotAllowedError: malformed, another namespace's, or one of Streamwarden's own topics.
    """
    if not _TOPIC_NAME.fullmatch(topic):
        raise NameNotAllowedError(
            f"topic {topic!r}: use letters, digits, '.' and '-', at most 249 ('_' collides with '.' in Kafka's metrics)"
        )
    own = f"{namespace}."
    if not topic.startswith(own):
        raise NameNotAllowedError(f"topic {topic!r} must start with its namespace: {own!r}")
    if topic.startswith((f"{SYSTEM}.", f"{installation}.", f"{own}{SYSTEM}.")) or topic == f"{own}{SYSTEM}":
        raise NameNotAllowedError(f"topic {topic!r} is one of Streamwarden's own")
    if topic.rpartition(".")[2] in AGENT_TOPICS:
        *most, last = (f"'.{word}'" for word in AGENT_TOPICS)
        raise NameNotAllowedError(f"topic {topic!r}: names that end in {', '.join(most)} or {last} belong to agents")


def check_external_principal(principal: str, installation: str = SYSTEM) -> None:
    """Refuse a principal in ``access`` that is everybody, nobody, or one of Streamwarden's.

    Raises:
        NameNotAllowedError: malformed, ``User:*``, ``User:ANONYMOUS``, or a Streamwarden principal.
    """
    user = principal.removeprefix("User:")
    if user.partition(".")[0] in {SYSTEM, installation} or user.endswith((".agent", ".gate")):
        raise NameNotAllowedError(f"principal {principal!r} is one of Streamwarden's own")
    if not _PRINCIPAL.fullmatch(principal) or user.upper() == "ANONYMOUS":
        raise NameNotAllowedError(
            f"principal {principal!r}: name one user without dots, as in 'User:web-frontend'; "
            "everybody (*) and ANONYMOUS are refused"
        )
