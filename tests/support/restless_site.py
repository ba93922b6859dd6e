"""An operator that is killed again and again: three brokers, an API server, gates that judge, and people at work."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka.admin import AdminClient
from streamwarden_contract.names import InstallationNames, NamespaceNames
from streamwarden_devstack.stack import KafkaOptions
from support.api_server import OPERATOR_USER, ROOT, running_api_server, write_overlay
from support.kafka_tools import Cluster, holds
from support.kubelet import OURS, Kubelet
from support.moments import Deaths, Life, draw, errors_of
from support.operator_process import COMMAND, OperatorProcess, operator_environment
from support.stack_fixture import running_stack
from support.unsettled import STEADY, Bouncer, People, Threads, Trickle
from support.whole_kafka import RealKafka

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.api_server import ApiServer
    from support.kube_http import KubeHttp
    from support.stack_fixture import OwnStack

NAMESPACE = "risk"
PEOPLE = COMMAND.with_name("streamwarden")
CONVERGES_S = 240.0
"""Far more than it takes: only a broken run waits so long."""
_LOOK_S = 0.25
_WHOLE_S, _GONE_S = (5.0, 15.0), (3.0, 20.0)
"""How long all brokers are there, and one is gone, at least and at most."""
_OBJECTS = ("Deployment", "ConfigMap", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "Secret", "Pod")


class RestlessSite:
    """All of it; the operators follow one another in one pod, as a container that is started again."""

    def __init__(self, server: ApiServer, stack: OwnStack, folder: Path, seed: int) -> None:
        self.server, self.stack, self._folder, self._seed = server, stack, folder, seed
        self._properties = folder / "librdkafka.properties"
        self._properties.write_text(stack.operator.render())
        self.kafka = RealKafka(stack)
        self.cluster = Cluster(stack.operator_properties)
        self._everything = ExitStack()
        self.kube = self._http()
        self.people = People(self.kube, self.chance("people"))
        self.bouncer = Bouncer(stack, AdminClient(dict(stack.operator_properties)), self.chance("broker"))
        self.operators: list[OperatorProcess] = []
        self.deaths = Deaths()
        self.took_s: list[float] = []
        """From the last edit and the last kill until everything stood, of each rest."""
        self.threads, self.deciders = Threads(), Threads()
        self.trickles = {
            name: Trickle(self._http(), stack.bootstrap_servers, name, 1_000_000 * number)
            for number, name in enumerate(STEADY)
        }
        self.kubelet = Kubelet(self._http(), folder / "pods", STEADY)

    def chance(self, who: str) -> random.Random:
        """Return what draws for one of them."""
        return random.Random(f"{self._seed}/{who}")  # noqa: S311  # to be had again, not to be secret

    def start_operator(self) -> OperatorProcess:
        operator = OperatorProcess(
            self._folder,
            self.server.kubeconfig_of(OPERATOR_USER),
            pod="streamwarden-operator-0",
            kafka_properties=self._properties,
            registry_url=self.stack.registry_url,
            gate_image="registry.example/gate:1",
            first_retry="0:00:00.1",
            longest_retry="0:00:05",
            shared_topic_replicas=3,
            shared_topic_min_insync_replicas=2,
            agent_producer_byte_rate=10_000_000,
        )
        self.operators.append(operator)
        return operator

    def _keep_operator(self) -> None:
        """Start it again as a kubelet does, should it have ended by itself, as when its Lease was not renewed."""
        operator = self.operators[-1]
        if operator.ended():
            self.deaths.note_end(operator)
            self.start_operator()

    def live_and_die(self, kills: int, until_s: float) -> None:
        """Let so many operators be killed, while people edit; none is started after a time of the monotonic clock."""
        chance = self.chance(f"kills-{len(self.operators)}")
        for moment in draw(chance, kills):
            if time.monotonic() >= until_s:
                return
            life = Life(self.start_operator(), lambda: self._edit(chance))
            self._edit(chance)
            life.end_at(moment)
            self.deaths.note(life)
            self.check()

    def _edit(self, chance: random.Random) -> None:
        for _ in range(chance.randrange(1, 5)):
            self.people.edit()

    def begin(self) -> None:
        """Let everything come to stand for the first time; then agents decide, and brokers go."""

        def look() -> None:
            while self.threads.pause(_LOOK_S):
                self.kubelet.step()

        self.people.begin()
        self.threads.begin("kubelet", look)
        self.rest()
        self.operators[-1].kill()
        for name, trickle in self.trickles.items():
            self.deciders.begin(f"trickle-{name}", partial(self._decide, trickle))
        self.threads.begin("broker", self._bounce)

    def _decide(self, trickle: Trickle) -> None:
        while self.deciders.pause(_LOOK_S):
            trickle.step()

    def _bounce(self) -> None:
        chance = self.chance("pace")
        while self.threads.pause(chance.uniform(*_WHOLE_S)):
            if not self.threads.resting.is_set():
                with self.bouncer.one_is_gone():
                    self.threads.pause(chance.uniform(*_GONE_S))

    def _http(self) -> KubeHttp:
        return self._everything.enter_context(self.server.http(NAMESPACE))

    def until(self, holds_now: Callable[[], object], what: Callable[[], str], wait_s: float = CONVERGES_S) -> None:
        deadline = time.monotonic() + wait_s
        while not holds(holds_now):
            self.check()
            self._keep_operator()
            assert time.monotonic() < deadline, f"not in {wait_s:g} s: {what()}"
            time.sleep(0.2)

    def rest(self) -> None:
        """Let one operator run undisturbed until all is as people want it."""
        began_s = time.monotonic()
        self.start_operator()
        self.until(lambda: self.people.settle() and not self.people.troubles(), self.explain)
        self.took_s.append(time.monotonic() - began_s)

    def caught_up(self) -> bool:
        """Tell whether the gates have judged all that was written."""
        for name in STEADY:
            topic, group = f"{NAMESPACE}.{name}.decisions", f"{NAMESPACE}.{name}.gate"
            if self.cluster.committed(group, topic) != self.cluster.end_offsets(topic):
                return False
        return True

    def explain(self) -> str:
        troubles = self.people.troubles()
        return f"{troubles}\n{self.kubelet.text()}\n{self.operators[-1].text()[-6_000:]}"

    def audit_verify(self) -> tuple[int, str]:
        """Let the command look at all chains and all decisions."""
        command = (PEOPLE, "audit", "verify", "-n", NAMESPACE, "--kafka", self._properties, "--decisions")
        done = subprocess.run(command, env=operator_environment({}), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def judged(self) -> dict[str, list[str]]:
        """Return the verdicts of each entity."""
        found: dict[str, list[str]] = {}
        for message in self.cluster.read_all(NamespaceNames(NAMESPACE).audit):
            audit = json.loads(message.value() or b"")
            verdict = audit["verdict"]
            said = f"{verdict} {audit}" if verdict not in {"Allow", "Deny"} else verdict
            found.setdefault(str(audit["decision"].get("entity")), []).append(said)
        return found

    def commanded(self) -> Counter[str]:
        return Counter((each.key() or b"").decode() for each in self.cluster.read_all(f"{NAMESPACE}.commands"))

    def epochs(self) -> dict[str, list[int]]:
        """Return the epochs of each policy log, in the order in which they stand."""
        topics = (NamespaceNames(NAMESPACE).policies, InstallationNames().guardrails)
        return {
            topic: [_epoch(each.value()) for each in self.cluster.read_all(topic) if each.key() == b"epoch"]
            for topic in topics
        }

    def left_objects(self) -> list[str]:
        """Return what is left of what the operator has made for agents."""
        return [f"{kind}/{each['metadata']['name']}" for kind in _OBJECTS for each in self.kube.list(kind, OURS)]

    def errors(self) -> list[dict[str, Any]]:
        """Return what all operators have logged as errors."""
        return [line for operator in self.operators for line in errors_of(operator)]

    def progress(self) -> str:
        """Say in a line how far it has come: of what hangs, or is stopped, nobody sees the report."""
        killed = f"seed {self._seed}: {self.deaths.phases.total()} kills, {self.people.edits} edits"
        return f"{killed}, {self.bouncer.bounces} brokers killed; at rest after {self.took_s[-1]:.1f} s"

    def report(self, judged: int) -> str:
        """Say what happened."""
        took = sorted(self.took_s)
        return (
            f"seed {self._seed}: {self.deaths.table()}\n{self.people.edits} edits; {self.bouncer.bounces} brokers "
            f"killed; {judged} decisions judged once, {self.commanded().total()} commands; at rest after "
            f"{took[len(took) // 2]:.1f} s (median), {took[-1]:.1f} s (most) of {len(took)}"
        )

    def check(self) -> None:
        """Raise what has broken beside the test."""
        self.threads.check()
        self.deciders.check()

    def decide_no_more(self) -> dict[str, str]:
        """Let agents decide no more; returns the verdict that each decision must get, by entity."""
        self.deciders.end()
        for trickle in self.trickles.values():
            trickle.close()
        self.check()
        return {entity: verdict for each in self.trickles.values() for entity, verdict in each.sent.items()}

    def close(self) -> None:
        self.deciders.end()
        self.threads.end()
        for operator in self.operators:
            operator.close()
        self.kubelet.close()
        self._everything.close()


def _epoch(value: bytes | None) -> int:
    return int(json.loads(value or b"{}")["epoch"])


@contextmanager
def restless_site(folder: Path, seed: int) -> Iterator[RestlessSite]:
    """Start three brokers, a registry and an API server with what people install; no operator yet."""
    with ExitStack() as everything:
        stack = everything.enter_context(running_stack(folder / "stack", kafka=KafkaOptions(brokers=3)))
        server = everything.enter_context(running_api_server(folder))
        overlay = folder / "overlay"
        overlay.mkdir()
        write_overlay(overlay, "namespace", namespace=NAMESPACE)
        for base in (ROOT / "config" / "default", overlay):
            server.kubectl("apply", "--server-side", "-k", str(base))
        server.wait_ours_served()
        site = RestlessSite(server, stack, folder, seed)
        try:
            yield site
        finally:
            site.close()
