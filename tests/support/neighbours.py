"""Installations that share a Kafka and a registry: each an operator as a process beside an API server of its own.

There is no node: ``GatePods`` is the kubelet, once at each look of a test.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import httpx
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the stubs leave its names out
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
)
from streamwarden_contract.names import AgentNames
from support.api_server import OPERATOR_USER, ROOT, running_api_server, write_overlay
from support.gate_chains import AGENT
from support.gate_decisions import proposals
from support.gate_pods import GatePods
from support.kafka_tools import WAIT_S, Cluster, Right
from support.kubernetes_side import conditions
from support.operated import manifests
from support.operator_process import COMMAND, OperatorProcess, allow_lease, operator_environment, until
from support.operators_rights import rights_on_the_page
from support.strangers import STRANGERS, Shared
from support.whole_kafka import RealKafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.api_server import ApiServer
    from support.installations import Dump
    from support.stack_fixture import OwnStack

PEOPLE = COMMAND.with_name("streamwarden")
INSTALLATIONS = ("first", "second")
"""Each operator trusts the other's user: both have rights in the namespace ``risk``."""
LEASE_LOST = ("the Lease was not renewed in time", "leads no more")
KINDS = {"CLUSTER": "BROKER"}
"""What Kafka calls otherwise than its clients."""
SETTLED_S = 240.0
"""Far more than it takes: only a broken run waits so long."""
_OBJECTS = "agentdeployments,topiccontracts,policies.streamwarden.io,secrets,configmaps,serviceaccounts,networkpolicies"


class Neighbour:
    """A cluster with one installation; its operators follow one another."""

    def __init__(self, server: ApiServer, stack: OwnStack, folder: Path, installation: str) -> None:
        self.server, self.installation = server, installation
        self._stack, self._folder = stack, folder
        self._cluster = Cluster(stack.operator_properties)
        self._user = f"{installation}.operator"
        password = secrets.token_urlsafe(16)
        self._cluster.set_passwords({self._user: password})
        self._properties = folder / "librdkafka.properties"
        self._properties.write_text(stack.operator.as_user(self._user, password).render())
        self.gates: dict[str, GatePods] = {}
        """By namespace."""
        self._operators: list[OperatorProcess] = []
        self._settings: dict[str, object] = {}

    @property
    def operator(self) -> OperatorProcess:
        """The one that was started last."""
        return self._operators[-1]

    def _may_govern(self, *namespaces: str) -> None:
        """Give the operator's user the rights on the page: the installation's own, and these namespaces'."""
        asked = rights_on_the_page(self.installation, *namespaces, principal=f"User:{self._user}", quotas=True)
        rights = [
            Right(
                each.operation,
                KINDS.get(each.resource_type, each.resource_type),
                each.resource_name,
                each.pattern_type == "PREFIXED",
            )
            for each in asked
        ]
        self._cluster.grant(self._user, rights)

    def install(self, *namespaces: str) -> None:
        """Apply everything as docs/operator.md says, and namespaces that have everything."""
        self.server.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
        allow_lease(self.server, self.installation)
        self.server.wait_ours_served()
        self._may_govern()
        for namespace in namespaces:
            self.put(namespace)

    def put(self, namespace: str) -> None:
        """Let people prepare a namespace, and apply contracts, of commands with a schema, a policy and an agent."""
        self._may_govern(namespace)
        folder = self._folder / f"namespace-{namespace}"
        folder.mkdir()
        write_overlay(folder, "namespace", namespace=namespace)
        self.server.kubectl("apply", "--server-side", "-k", str(folder))
        self.server.apply(*manifests(namespace, {"type": "object", "properties": {}}))
        self.gates[namespace] = GatePods(self.server, self._folder / f"gates-{namespace}", namespace)

    def start(self, **settings: object) -> OperatorProcess:
        """Start an operator, with the rights on the page alone.

        It looks at everything anew each few seconds, as else within minutes.
        """
        usual: dict[str, object] = {
            "kafka_properties": self._properties,
            "registry_url": self._stack.registry_url,
            "pod": f"{self.installation}-operator",  # a container that is started again holds its Lease still
            "installation": self.installation,
            "trusted_principals": ";".join(f"User:{each}.operator" for each in INSTALLATIONS),
            "gate_image": "registry.example/gate:1",
            "first_retry": "0:00:00.1",
            "resync_interval": "0:00:05",
            "agent_producer_byte_rate": 1_000_000,
        }
        operator = OperatorProcess(self._folder, self.server.kubeconfig_of(OPERATOR_USER), **usual | settings)
        self._settings = settings
        self._operators.append(operator)
        operator.wait_ready()
        return operator

    def start_again(self) -> OperatorProcess:
        """Start one like the one before."""
        return self.start(**self._settings)

    def _keep_running(self) -> None:
        """Start the operator anew, as a kubelet does, where the machine was too busy to renew its Lease."""
        if self._operators and self.operator.ended() and self.operator.wait() != 0:
            assert any(map(self.operator.has_said, LEASE_LOST)), self.explain()
            self.start_again()

    def condition(self, namespace: str, name: str = "Ready") -> tuple[str, str]:
        """Return one of a namespace's agent: status and reason."""
        found = json.loads(self.server.kubectl("get", "agentdeployment", AGENT, "-n", namespace, "-o", "json"))
        said: tuple[str, str] = conditions(found).get(name, ("", ""))
        return said

    def stands(self, *namespaces: str) -> bool:
        """Tell whether these agents are ready, their gates' policies in force, and nothing is left to do."""
        ready = all(self.condition(each) == ("True", "OK") for each in namespaces)
        return ready and self.operator.is_idle()

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; gates get their files and their turn meanwhile."""

        def looked() -> object:
            self._keep_running()
            for each in self.gates.values():
                each.sync()
            return holds()

        until(looked, self.explain, SETTLED_S)

    def until_stands(self, *namespaces: str) -> None:
        self.until(lambda: self.stands(*namespaces))

    def explain(self) -> str:
        looks = (("get", "agentdeployments,policies.streamwarden.io,topiccontracts,pods", "-A", "-o", "yaml"),)
        return "\n".join([*(self.server.kubectl(*look) for look in looks), self.operator.text()[-10_000:]])

    def reconciles(self) -> float:
        """Return how many its operator has done since it was started."""
        said = httpx.get(f"http://127.0.0.1:{self.operator.health_port}/metrics", timeout=30).raise_for_status().text
        lines = [line for line in said.splitlines() if line.startswith("streamwarden_operator_reconciles_total{")]
        assert "# TYPE streamwarden_operator_reconciles_total counter" in said
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def until_looked(self, times: int = 20) -> None:
        """Wait until its operator has reconciled so often, across its restarts."""
        counts: list[float] = []

        def has_looked() -> bool:
            with suppress(httpx.TransportError):  # it has just ended, and is started again
                counts.append(self.reconciles())
            return sum(max(0.0, later - earlier) for earlier, later in pairwise(counts)) >= times

        self.until(has_looked)

    def gate_image(self, namespace: str) -> str:
        """Return the image of the gate in the agent's Deployment."""
        pod = json.loads(self.server.kubectl("get", "deployment", AGENT, "-n", namespace, "-o", "json"))["spec"]
        return str(pod["template"]["spec"]["initContainers"][0]["image"])

    def touch(self, namespace: str, value: str) -> None:
        """Let somebody edit the agent, without effect: the operator looks at all that belongs to it."""
        self.server.kubectl("annotate", "agentdeployment", AGENT, "-n", namespace, "--overwrite", f"touched={value}")

    def versions(self) -> dict[tuple[str, str, str], str]:
        """Return the resource version of each object that people or the operator have made for agents."""
        found: dict[tuple[str, str, str], str] = {}
        for namespace in ("streamwarden", *self.gates):
            listed = json.loads(self.server.kubectl("get", _OBJECTS, "-n", namespace, "-o", "json"))["items"]
            found |= {
                (each["kind"], namespace, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
                for each in listed
            }
        return found

    def secrets(self, namespace: str) -> set[str]:
        """Return the names of the Secrets in a namespace."""
        return set(self.server.kubectl("get", "secrets", "-n", namespace, "-o", "name").split())

    def events(self, reason: str, namespace: str) -> list[dict[str, Any]]:
        asked = ("get", "events", "-n", namespace, f"--field-selector=reason={reason}", "-o", "json")
        found: list[dict[str, Any]] = json.loads(self.server.kubectl(*asked))["items"]
        return found

    def run(self, *asked: str) -> list[str]:
        """Run ``streamwarden`` as an administrator of the cluster; return the lines that it prints."""
        environment = operator_environment({}) | {"KUBECONFIG": str(self.server.kubeconfig)}
        done = subprocess.run([PEOPLE, *asked], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def uninstall(self) -> None:
        """Do as docs/operator.md says; the process is what scaling to 0 ends, as there is no node."""
        self.server.kubectl("scale", "deployment/streamwarden-operator", "-n", "streamwarden", "--replicas=0")
        assert self.operator.stop() == 0
        asked = self.run("uninstall", "--dry-run")
        done = self.run("uninstall")
        assert [line.replace("would release", "released") for line in asked[:-1]] == done[:-1]
        assert done[-1] == f"{len(done) - 1} resources had finalizers of Streamwarden"
        self.server.kubectl("delete", "-k", str(ROOT / "config" / "default"), "--wait=false")
        until(lambda: not self._left(), self._left, SETTLED_S)

    def _left(self) -> str:
        """Name what there is of our CRDs and our namespace."""
        listed = self.server.kubectl("get", "crds,namespaces", "-o", "name").splitlines()
        return " ".join(name for name in listed if "streamwarden" in name)

    def close(self) -> None:
        for operator in self._operators:
            operator.close()
        for each in self.gates.values():
            each.close()


class Street:
    """One Kafka with its registry, strangers on it, and two installations that both have a namespace ``risk``."""

    def __init__(self, stack: OwnStack, first: Neighbour, second: Neighbour) -> None:
        self.kafka = RealKafka(stack)
        self.first, self.second = first, second
        self._cluster = Cluster(stack.operator_properties)
        self._shared = Shared(self.kafka)
        self.after_first: Dump = {}

    def dump(self) -> Dump:
        return asyncio.run(self.kafka.dump())

    def unharmed(self, before: Dump) -> Dump:
        """Return all that there is, once everything of before is as it was, and every stranger gets in."""
        return asyncio.run(self._shared.unharmed(before))

    def first_stands(self) -> None:
        """Make strangers, and let the first installation come to stand, where that has not been."""
        if self.after_first:
            return
        self._shared.passwords = asyncio.run(self.kafka.make(STRANGERS))
        self._shared.strangers = self.dump()
        self.first.install("risk", "shop")
        self.first.start()
        self.first.until_stands("risk", "shop")
        self.after_first = self.unharmed(self._shared.strangers)

    def first_is_at_rest(self) -> Dump:
        """Let its gates end, as their own last words change a topic; return all that there is then."""
        for gates in self.first.gates.values():
            gates.close()
        ended = ("False", "GateNotReady")
        until(
            lambda: (
                all(self.first.condition(each) == ended for each in self.first.gates) and self.first.operator.is_idle()
            ),
            self.first.explain,
            SETTLED_S,
        )
        return self.dump()

    def delete_topic(self, name: str) -> None:
        self._cluster.delete_topics(name)

    def users(self) -> set[str]:
        return set(self._cluster.admin.describe_user_scram_credentials().result(WAIT_S))

    def access_of(self, *users: str) -> set[object]:
        """Return what there is of these users: themselves, and their ACLs."""
        acls = {each for user in users for each in self._cluster.admin.describe_acls(_acls_of(user)).result(WAIT_S)}
        return acls | (self.users() & set(users))

    def delete_users(self, *users: str) -> None:
        """Do what Strimzi's User Operator does with users that it does not know."""
        for done in self._cluster.admin.delete_acls([_acls_of(user) for user in users]).values():
            done.result(WAIT_S)
        deletions = [
            UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in users if user in self.users()
        ]
        if deletions:
            for done in self._cluster.admin.alter_user_scram_credentials(deletions).values():
                done.result(WAIT_S)

    def decide(self, namespace: str) -> None:
        """Write one decision of the agent's, as who may write everything."""
        self._cluster.produce(AgentNames(namespace, AGENT).decisions, proposals([0]))

    def commanded(self, namespace: str) -> list[str]:
        """Return the entities of all commands."""
        return [(each.key() or b"").decode() for each in self._cluster.read_all(f"{namespace}.commands")]

    @property
    def strangers(self) -> Dump:
        """What they have made, before anybody came."""
        return self._shared.strangers

    def both_stand(self) -> None:
        """Let the second have come too: its namespace ``risk`` is the first's."""
        self.first_stands()
        if self.second.gates:
            return
        self.second.install("risk", "tools")
        self.second.start()
        self.second.until_stands("tools")


def _acls_of(user: str) -> Any:
    return cast("Any", AclBindingFilter)(
        ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY, AclPermissionType.ANY
    )


@contextmanager
def neighbour(stack: OwnStack, folder: Path, installation: str) -> Iterator[Neighbour]:
    """Run an API server with nothing on it; what is started there ends with the block."""
    (folder / "api-server").mkdir(parents=True)
    with running_api_server(folder / "api-server") as server:
        made = Neighbour(server, stack, folder, installation)
        try:
            yield made
        finally:
            made.close()
