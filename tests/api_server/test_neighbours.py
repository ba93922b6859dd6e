"""Two installations as processes beside two API servers, and strangers, on one Kafka and registry (X80).

Nobody's things are touched: dumps of all that a Kafka and a registry hold are equal before and after. Each test brings
up what it needs, where no other has, and leaves both installations as they were; the last one takes the first away.

Marked ``chaos``: together they take minutes, as each dump reads all that there is.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from support.neighbours import SETTLED_S, Street, neighbour
from support.operator_process import until
from support.stack_fixture import running_stack
from support.strangers import added, changed, not_of, without

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWER = "registry.example/gate:2"
pytestmark = [pytest.mark.own_stack, pytest.mark.chaos]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("street")
    with (
        running_stack(folder / "stack") as stack,
        neighbour(stack, folder / "first", "first") as first,
        neighbour(stack, folder / "second", "second") as second,
    ):
        yield Street(stack, first, second)


def test_an_operator_that_starts_changes_nothing_of_strangers(street: Street) -> None:
    street.first_stands()
    made = added(street.strangers, street.after_first)
    assert not_of(made, "risk.guard.", "risk.streamwarden.", "shop.", "first.") == [
        ("subject", "risk.commands-value"),
        ("topic", "risk.commands"),
        ("topic", "risk.inputs"),
    ]


def test_a_second_installation_is_told_what_is_taken_and_the_first_never_notices(street: Street) -> None:
    street.first_stands()
    first, second = street.first, street.second
    before = street.dump()
    versions, written = first.versions(), first.server.writes(first.operator.user_agent)
    assert ("AgentDeployment", "risk", "guard") in versions
    assert ("Secret", "streamwarden", "streamwarden-signing-key") in versions

    second.install("risk", "tools")
    second.start()
    second.until_stands("tools")
    second.until(lambda: second.condition("risk") == ("False", "NamespaceTaken"))
    first.until_looked()
    first.until_stands("risk", "shop")

    after = street.unharmed(before)
    assert not_of(added(before, after), "tools.", "second.") == []
    assert first.versions() == versions
    assert first.server.writes(first.operator.user_agent) == written
    assert second.gates["risk"].starts == []
    assert second.secrets("risk") == set()


def test_an_operator_that_is_killed_in_the_midst_of_its_work_leaves_others_as_they_are(street: Street) -> None:
    """Users of a new namespace are in Kafka, and its agent is not ready: no gate has its policies, as none is there."""
    street.both_stand()
    before, second = street.dump(), street.second
    second.put("tools2")
    until(lambda: "tools2.guard.agent" in street.users(), second.explain, SETTLED_S)
    assert second.condition("tools2") != ("True", "OK")
    second.operator.kill()
    others = without(before, "second.", "tools.", "tools2.")
    street.unharmed(others)
    second.start()
    second.until_stands("tools", "tools2")
    after = street.unharmed(others)
    assert not_of(added(before, after), "tools2.", "second.") == []
    assert not_of(changed(before, after), "second.", "tools.streamwarden.") == []


def test_an_operator_that_watches_other_namespaces_than_before_takes_nothing_away(street: Street) -> None:
    street.both_stand()
    before, first = street.dump(), street.first
    assert first.operator.stop() == 0
    first.start(watch_namespaces="shop")
    first.until_looked()
    first.until_stands("shop")
    after = street.unharmed(without(before, "first."))
    assert added(before, after) == []
    assert first.operator.stop() == 0
    first.start()
    first.until_stands("risk", "shop")
    assert added(before, street.unharmed(without(before, "first."))) == []


def test_who_deletes_users_that_he_does_not_know_is_told_and_not_fought_and_nothing_commands(street: Street) -> None:
    """What Strimzi's User Operator does, at each look of it, with a decision that waits for its verdict."""
    street.both_stand()
    before, second = street.dump(), street.second
    users = ("tools.guard.agent", "tools.guard.gate")
    assert street.commanded("tools") == []
    touches = count()

    def is_shut_out() -> bool:
        street.delete_users(*users)
        second.touch("tools", str(next(touches)))
        until(second.operator.is_idle, second.explain, SETTLED_S)
        conflict = second.condition("tools", "AccessReady") == ("False", "ResourceConflict")
        return conflict and not street.access_of(*users)

    second.until(is_shut_out)
    street.decide("tools")
    second.until(is_shut_out)
    assert second.gates["tools"].processes, "it runs on, with the connections that it had"
    assert street.commanded("tools") == []
    told = {reason: len(second.events(reason, "tools")) for reason in ("UsersDeleted", "ResourceConflict")}
    assert told["ResourceConflict"] == 1
    assert 1 <= told["UsersDeleted"] <= len(users), "each is made again once, mostly both at once"
    street.unharmed(without(before, "second.", "tools."))

    assert second.operator.stop() == 0
    second.start()
    second.until_stands("tools")
    second.until(lambda: street.commanded("tools"))
    assert street.commanded("tools") == ["page-0"]
    after = street.unharmed(without(before, "second.", "tools."))
    assert not_of(added(before, after), "tools.", "second.") == []


def test_x82_an_operator_that_is_upgraded_in_the_midst_of_its_work_leaves_others_as_they_are(street: Street) -> None:
    """Rolling: the newer one stands by while the older one works, and goes on with what that one has begun."""
    street.both_stand()
    before, second = street.dump(), street.second
    older = second.operator
    second.put("tools3")
    until(lambda: "tools3.guard.agent" in street.users(), second.explain, SETTLED_S)
    newer = second.start(pod="second-operator-newer", gate_image=NEWER)
    until(lambda: newer.has_said("stands by"), second.explain, SETTLED_S)
    assert second.server.writes(newer.user_agent) == []
    assert older.stop() == 0
    second.until(lambda: second.gate_image("tools") == second.gate_image("tools3") == NEWER)
    second.until_stands("tools", "tools3")
    after = street.unharmed(without(before, "second.", "tools.", "tools3."))
    assert not_of(added(before, after), "tools.", "tools3.", "second.") == []
    written = second.server.writes(older.user_agent), second.server.writes(newer.user_agent)
    assert written[0][-1][0] < written[1][0][0], (written[0][-1], written[1][0])


def test_an_installation_that_is_uninstalled_as_docs_say_leaves_all_and_another_takes_its_namespace_over(
    street: Street,
) -> None:
    """By what docs/sharing-a-kafka.md says, once the one that had it is gone for good."""
    street.both_stand()
    first, second = street.first, street.second
    before = street.first_is_at_rest()
    first.uninstall()
    street.unharmed(before)
    second.until(lambda: second.condition("risk") == ("False", "NamespaceTaken"))
    assert added(before, street.unharmed(before)) == []

    street.delete_topic("risk.streamwarden.policies")
    second.until(lambda: second.condition("risk", "AccessReady") == ("False", "ResourceConflict"))
    users = ("user/risk.guard.agent", "user/risk.guard.gate")
    told = second.run("inventory", "adopt", *users, "--installation", "second")
    wanted = "this installation's; the AgentDeployment risk/guard wants it: it is given the password of its Secret"
    assert told == [f"done       {user}: {wanted}" for user in users]
    second.until_stands("risk")
    street.decide("risk")
    second.until(lambda: street.commanded("risk"))
    assert street.commanded("risk") == ["page-0"]
    street.unharmed(without(before, "risk.guard.", "risk.streamwarden.", "risk.commands", "second."))
