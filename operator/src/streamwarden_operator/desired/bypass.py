"""Which foreign ACLs lead round a gate: by them somebody could write what it governs, or lose, hide or fence decisions.

A DENY that would undo one of them does not count: it could be taken away unseen.
"""

from collections.abc import Collection, Container, Iterable
from collections.abc import Set as AbstractSet

from streamwarden_contract.names import InstallationNames, transactional_prefix

from streamwarden_operator.desired.acl_index import LivingAgents, indexed
from streamwarden_operator.desired.acls import is_streamwarden_principal, user_of
from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.ports import Acl

EVERYBODY = "User:*"


def ways_round(
    installation: InstallationNames,
    trusted: frozenset[str],
    observed: AbstractSet[Acl],
    agent: ResolvedAgent,
    living: AbstractSet[str],
) -> frozenset[Acl]:
    """Return the ACLs that lead round an agent's gate.

    What Streamwarden's own principals of the namespace have too much is left out: their own agents' reconciles or the
    sweep take it from them.

    Args:
        installation: whose guardrails bind it.
        trusted: principals (``User:...``) that always may: the operator, and whom its settings name.
        observed: every ACL of the cluster.
        agent: the agent.
        living: the names of the agents of its namespace.
    """
    names, shared, index = agent.names, agent.names.shared, indexed(observed)
    ours = LivingAgents(names, living)
    governed = [*agent.command_topics, shared.audit, shared.dead_letters, shared.gates, names.decisions]
    return frozenset().union(
        bypass_acls(trusted, index, [*governed, shared.policies, installation.guardrails], ours),
        _foreign(index.readers(names.decisions), trusted, ours),
        _foreign(filter(_rules, index.operators), trusted, ours),
        *(takeover_acls(trusted, index, user, ours) for user in (names.agent_principal, names.gate_principal)),
    )


def bypass_acls(
    trusted: frozenset[str],
    observed: AbstractSet[Acl],
    governed_topics: Collection[str],
    allowed: Container[str],
) -> frozenset[Acl]:
    """Return the ACLs that let somebody else than ``allowed`` change a governed topic.

    Args:
        trusted: principals (``User:...``) that always may: the operator, and whom its settings name.
        observed: every ACL of the cluster.
        governed_topics: topics that only gates (or only one agent) may write.
        allowed: other principals that may, without ``User:``.
    """
    index, passed = indexed(observed), allowed if isinstance(allowed, LivingAgents) else None
    ways = {*filter(_rules, index.rulers), *(acl for topic in governed_topics for acl in index.writers(topic, passed))}
    return _foreign(ways, trusted, allowed)


def takeover_acls(
    trusted: frozenset[str], observed: AbstractSet[Acl], principal: str, allowed: Container[str]
) -> frozenset[Acl]:
    """Return the ACLs that let others use what is one principal's alone: its name, its group, its transactional ids.

    A stranger in the group is given partitions that nobody else reads then, and may commit what was never judged; one
    with a transactional id fences its owner.
    """
    index = indexed(observed)
    producers, impersonators = index.producers(transactional_prefix(principal)), index.impersonators(user_of(principal))
    ways = {*index.members(principal), *producers, *impersonators}
    return _foreign(ways, trusted, allowed)


def _foreign(ways: Iterable[Acl], trusted: frozenset[str], allowed: Container[str]) -> frozenset[Acl]:
    return frozenset(
        acl for acl in ways if acl.principal not in trusted and acl.principal.removeprefix("User:") not in allowed
    )


def _rules(acl: Acl) -> bool:
    """Tell whether everybody or an agent rules the cluster so. A named administrator may: Kafka needs one."""
    return acl.principal == EVERYBODY or is_streamwarden_principal(acl.principal)
