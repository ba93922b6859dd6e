from __future__ import annotations

import pytest
from streamwarden_operator.plans.acls import plan_acls
from streamwarden_operator.ports import Acl, AclPlan

READ = Acl("User:risk.guard.agent", "TOPIC", "risk.urls", "READ")
WRITE = Acl("User:risk.guard.agent", "TOPIC", "risk.guard.decisions", "WRITE")
EXTRA = Acl("User:risk.guard.agent", "TOPIC", "risk.blocks", "WRITE")
FOREIGN = Acl("User:web", "TOPIC", "risk.urls", "WRITE")
DESIRED = frozenset({READ, WRITE})


@pytest.mark.parametrize(
    ("observed", "owned", "expected"),
    [
        pytest.param(set(), set(), AclPlan(add=DESIRED), id="missing-acls-are-given"),
        pytest.param(DESIRED, DESIRED, AclPlan(), id="equal-acls-are-left-alone"),
        pytest.param(
            {READ, EXTRA},
            {READ, EXTRA},
            AclPlan(remove=frozenset({EXTRA}), add=frozenset({WRITE})),
            id="F36-drift-is-undone-both-ways",
        ),
        pytest.param(DESIRED | {FOREIGN}, DESIRED, AclPlan(), id="foreign-acls-are-left-alone"),
        pytest.param(DESIRED, DESIRED | {EXTRA}, AclPlan(), id="an-owned-acl-that-is-gone-already-needs-no-removal"),
    ],
)
def test_plan_brings_the_acls_to_what_is_desired(observed: set[Acl], owned: set[Acl], expected: AclPlan) -> None:
    assert plan_acls(DESIRED, observed, owned) == expected
