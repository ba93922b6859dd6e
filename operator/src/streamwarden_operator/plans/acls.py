"""What has to change so that the ACLs are as desired: two set differences."""

from collections.abc import Set as AbstractSet

from streamwarden_operator.ports import Acl, AclPlan


def plan_acls(desired: AbstractSet[Acl], observed: AbstractSet[Acl], owned: AbstractSet[Acl]) -> AclPlan:
    """Compare the desired ACLs with those of the cluster.

    Args:
        desired: what should exist.
        observed: what exists, foreign ones included.
        owned: what may be taken back; everything else in ``observed`` is left alone.
    """
    return AclPlan(remove=frozenset((observed & owned) - desired), add=frozenset(desired - observed))
