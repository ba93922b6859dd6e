"""Whose rights end an agent's pods: those that lead round its gate, of whoever is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Acl
from support.operator_harness import SETTINGS, conditions_of, running, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness

GUARD = whole_namespace()[-1]
TRUSTING = SETTINGS.model_copy(update={"principal": "User:ops", "trusted_principals": ("User:admin",)})


async def judged(harness: Harness, acl: Acl) -> tuple[str, str]:
    """Return the agent's AccessReady once the cluster has this ACL too."""
    harness.acls.acls.add(acl)
    harness.controller.add(Key("AgentDeployment", "risk", "guard"))
    await harness.settle()
    return conditions_of(harness.get(GUARD))["AccessReady"]


@pytest.mark.parametrize("principal", ["User:ops", "User:admin"])
async def test_x90_the_operators_own_principal_and_trusted_ones_lead_round_no_gate(principal: str) -> None:
    async with running(*whole_namespace(), settings=TRUSTING) as harness:
        assert await judged(harness, Acl(principal, "TOPIC", "*", "ALL")) == ("True", "OK")
        assert harness.cluster.workloads != {}


@pytest.mark.parametrize("principal", ["User:streamwarden.operator", "User:administrator", "Group:admin"])
async def test_x90_nobody_is_trusted_for_a_name_that_settings_do_not_say(principal: str) -> None:
    async with running(*whole_namespace(), settings=TRUSTING) as harness:
        assert await judged(harness, Acl(principal, "TOPIC", "*", "ALL")) == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}
