"""Which foreign ACLs lead round a gate: by them somebody could write what it governs, or lose, hide or fence decisions.

A DENY that would undo one of them does not count: it could be taken away unseen.
"""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet

from streamwarden_contract.names import AgentNames, InstallationNames, transactional_prefix

from streamwarden_operator.desired.acl_index import indexed
from streamwarden_operator.desired.acls import acls_of, is_streamwarden_principal, user_of
from streamwarden_operator.desired.agents import ResolvedAgent
from streamwarden_operator.ports import Acl

EVERYBODY = "User:*"


def ways_round(
    installation: InstallationNames,
    trusted: frozenset[str],
    observed: AbstractSet[Acl],
    agent: ResolvedAgent,
    neighbours: Collection[AgentNames],
) -> frozenset[Acl]:
    """Return the ACLs that lead round an agent's gate.

    What Streamwarden's own principals of the namespace have too much is left out: their own agents' reconciles or the
    sweep take it from them.

    Args:
        installation: whose guardrails bind it.
        trusted: principals (``User:...``) that always may: the operator, and whom its settings name.
        observed: every ACL of the cluster.
        agent: the agent.
        neighbours: the other agents of its namespace.
    """
    names, shared = agent.names, agent.names.shared
    here = [names, *neighbours]
    gates = [other.gate_principal for other in here]
    found = frozenset().union(
        bypass_acls(trusted, observed, agent.command_topics, gates),
        bypass_acls(trusted, observed, [shared.audit, shared.dead_letters, shared.gates], gates),
        bypass_acls(trusted, observed, [names.decisions], [names.agent_principal]),
        bypass_acls(trusted, observed, [shared.policies, installation.guardrails], []),
        _foreign(indexed(observed).readers(names.decisions), trusted, [names.gate_principal]),
        _foreign(filter(_rules, indexed(observed).operators), trusted, []),
        *(takeover_acls(trusted, observed, user) for user in (names.agent_principal, names.gate_principal)),
    )
    return found - acls_of(found, *gates, *(other.agent_principal for other in here))


def bypass_acls(
    trusted: frozenset[str],
    observed: AbstractSet[Acl],
    governed_topics: Collection[str],
    allowed: Iterable[str],
) -> frozenset[Acl]:
    """Return the ACLs that let somebody else than ``allowed`` change a governed topic.

    Args:
        trusted: principals (``User:...``) that always may: the operator, and whom its settings name.
        observed: every ACL of the cluster.
        governed_topics: topics that only gates (or only one agent) may write.
        allowed: other principals that may, without ``User:``.
    """
    index = indexed(observed)
    ways = {*filter(_rules, index.rulers), *(acl for topic in governed_topics for acl in index.writers(topic))}
    return _foreign(ways, trusted, allowed)


def takeover_acls(trusted: frozenset[str], observed: AbstractSet[Acl], principal: str) -> frozenset[Acl]:
    """Return the ACLs that let others use what is one principal's alone: its name, its group, its transactional ids.

    A stranger in the group is given partitions that nobody else reads then, and may commit what was never judged; one
    with a transactional id fences its owner.
    """
    index = indexed(observed)
    producers, impersonators = index.producers(transactional_prefix(principal)), index.impersonators(user_of(principal))
    ways = {*index.members(principal), *producers, *impersonators}
    return _foreign(ways, trusted, [principal])


def _foreign(ways: Iterable[Acl], trusted: frozenset[str], allowed: Iterable[str]) -> frozenset[Acl]:
    may = trusted | {user_of(principal) for principal in allowed}
    return frozenset(acl for acl in ways if acl.principal not in may)


def _rules(acl: Acl) -> bool:
    """Tell whether everybody or an agent rules the cluster so. A named administrator may: Kafka needs one."""
    return acl.principal == EVERYBODY or is_streamwarden_principal(acl.principal)
