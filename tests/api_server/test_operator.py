"""The whole operator, as Kubernetes runs it: a process with the rights of config/, a real API server, a real Kafka.

There is no node: the test marks the agent's pod as a kubelet would, and reports for its gate.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.plans.election import DURATION_S, RETRY_S
from support.kubernetes_side import conditions
from support.operate_page import commands, instead
from support.operator_process import COMMAND, operator_environment
from support.operator_site import KINDS, running_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.operator_process import OperatorProcess
    from support.operator_site import Site
    from support.stack_fixture import RunningStack


PEOPLE = COMMAND.with_name("streamwarden")
OBJECTS = "deployments,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,secrets,pods"
POLICIES = "/apis/streamwarden.io/v1alpha1/namespaces/risk/policies"
EVENTS = ("get", "events", "-n", "risk")
DEEP = 5_000
FIRST_LOOKS_S = 30.0
"""Most that a new leader needs from its Lease to its first publication, on a machine that is busy with much else."""


@pytest.fixture(scope="module")
def site(stack_with_registry: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The samples in a prepared namespace of a cluster of their own. The tests of this module follow one another."""
    with running_site(tmp_path_factory.mktemp("site"), stack_with_registry) as made:
        yield made


@pytest.fixture(scope="module")
def operator(site: Site) -> OperatorProcess:
    return site.start()


def test_the_samples_come_to_stand(site: Site, operator: OperatorProcess) -> None:
    for name in ("urls-observed", "url-commands", "url-outcomes"):
        site.until(partial(site.is_ready, "topiccontract", name))
    site.until(lambda: site.ready("agentdeployment", "url-guard") == ("False", "GateNotReady"))
    site.until(lambda: len(site.names("pods")) == 1)
    site.run_pod()
    site.acknowledge()
    site.until(lambda: site.ready("agentdeployment", "url-guard") == ("True", "OK"))
    for name in ("url-blocking", "url-blocking-stricter"):
        site.until(partial(site.is_ready, "policy", name))
    assert operator.ready()


def test_only_what_the_operator_says_is_on_the_resources(site: Site, operator: OperatorProcess) -> None:
    assert operator.ready()
    agent = site.get("agentdeployment", "url-guard")["metadata"]
    assert agent.get("annotations", {}) == {}
    assert agent["finalizers"] == ["streamwarden.io/agent-deployment"]


def test_what_somebody_changes_is_put_right_at_once(site: Site, operator: OperatorProcess) -> None:
    assert operator.ready()
    site.server.kubectl("set", "image", "deployment/url-guard", "gate=evil:1", "-n", "risk")
    site.server.kubectl("delete", "configmap", "url-guard-gate-config", "-n", "risk")

    def is_right() -> bool:
        pod = site.get("deployment", "url-guard")["spec"]["template"]["spec"]
        return pod["initContainers"][0]["image"] == "registry.example/gate:1" and (
            "configmap/url-guard-gate-config" in site.names("configmaps")
        )

    site.until(is_right)


def test_a_paused_agent_stays_as_it_is_until_it_is_not(site: Site, operator: OperatorProcess) -> None:
    assert operator.ready()
    for each in commands("Stop one agent now"):
        site.server.kubectl(*shlex.split(instead(each, " guard ", " url-guard "))[1:])
    assert conditions(site.get("agentdeployment", "url-guard"))["ReconciliationPaused"] == ("True", "Paused")
    assert site.get("deployment", "url-guard")["spec"]["replicas"] == 0
    site.server.kubectl("delete", "deployment", "url-guard", "-n", "risk")
    site.annotate("agentdeployment", "url-guard", "streamwarden.io/pause-reconciliation-")
    site.until(lambda: "deployment.apps/url-guard" in site.names("deployments"))
    site.until(lambda: "ReconciliationPaused" not in conditions(site.get("agentdeployment", "url-guard")))


def test_a_paused_policy_keeps_its_revision_in_force(site: Site, operator: OperatorProcess) -> None:
    assert operator.ready()
    revision = site.get("policy", "url-blocking")["status"]["revision"]
    site.annotate("policy", "url-blocking", "streamwarden.io/pause-reconciliation=true")
    site.until(lambda: "ReconciliationPaused" in conditions(site.get("policy", "url-blocking")))
    patch = json.dumps({"spec": {"rules": [{"name": "confident", "require": "decision.confidence >= 0.9"}]}})
    site.server.kubectl("patch", "policy.streamwarden.io", "url-blocking", "-n", "risk", "--type=merge", "-p", patch)
    site.server.kubectl("label", "policy.streamwarden.io", "url-blocking-stricter", "-n", "risk", "touched=yes")
    site.annotate("policy", "url-blocking", "streamwarden.io/pause-reconciliation-")
    site.until(lambda: site.get("policy", "url-blocking")["status"]["revision"] > revision)


def test_a_config_map_of_data_beside_rules_is_watched(site: Site, operator: OperatorProcess) -> None:
    assert operator.ready()
    source = {"configMapKeyRef": {"name": "limits", "key": "limits.yaml"}}
    reads = {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "Policy",
        "metadata": {"name": "reads", "namespace": "risk"},
        "spec": {
            "failureAction": "Audit",
            "paramsFrom": source,
            "rules": [{"name": "r", "require": "decision.confidence >= params.least"}],
        },
    }
    site.server.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(reads))
    site.until(lambda: site.ready("policy.streamwarden.io", "reads") == ("False", "RefNotFound"))
    site.server.kubectl("create", "configmap", "limits", "-n", "risk", "--from-literal=limits.yaml=least: 0.5")
    site.server.kubectl("label", "configmap", "limits", "-n", "risk", "app.kubernetes.io/part-of=streamwarden")
    site.until(lambda: site.get("policy.streamwarden.io", "reads")["status"]["revision"])
    first = site.get("policy.streamwarden.io", "reads")["status"]["revision"]
    data = json.dumps({"data": {"limits.yaml": '{"least": 0.75}'}})
    site.server.kubectl("patch", "configmap", "limits", "-n", "risk", "--type=merge", "-p", data)
    site.until(lambda: site.get("policy.streamwarden.io", "reads")["status"]["revision"] > first)
    site.server.kubectl("delete", "configmap", "limits", "-n", "risk")
    site.until(lambda: site.ready("policy.streamwarden.io", "reads") == ("False", "RefNotFound"))
    site.server.kubectl("delete", "policy.streamwarden.io", "reads", "-n", "risk")


def test_f13_what_happened_while_no_operator_ran_is_caught_up_with(site: Site, operator: OperatorProcess) -> None:
    assert operator.stop() == 0
    site.server.kubectl("delete", "agentdeployment", "url-guard", "-n", "risk", "--wait=false")
    site.server.kubectl("delete", "policy.streamwarden.io", "url-blocking-stricter", "-n", "risk")
    site.start()
    site.until(lambda: not site.names("agentdeployments"))
    own = "app.kubernetes.io/managed-by=streamwarden-operator"
    site.until(lambda: not site.names(OBJECTS, own))


def test_a_policy_deeper_than_python_reads_is_told_and_stops_nothing(site: Site) -> None:
    before = site.operator
    deep = '{"a":' * DEEP + "1" + "}" * DEEP
    metadata = {"name": "deep", "namespace": "risk"}
    manifest = {"apiVersion": "streamwarden.io/v1alpha1", "kind": "Policy", "metadata": metadata}
    text = json.dumps({**manifest, "spec": {"params": {"x": "DEEP"}}}).replace('"DEEP"', deep)
    site.server.kubectl("create", "--raw", POLICIES, "-f", "-", given=text)
    query = ("--field-selector=involvedObject.name=deep", "-o", "jsonpath={.items[*].message}")
    site.until(lambda: "spec.params: Value error, nested deeper than 62" in site.server.kubectl(*EVENTS, *query))
    assert before.stop() == 0
    operator = site.start()
    site.server.kubectl("delete", "--raw", f"{POLICIES}/deep")
    rule = {"name": "r", "require": "decision.confidence >= 0.5"}
    shallow = {**manifest, "metadata": {**metadata, "name": "shallow"}, "spec": {"rules": [rule]}}
    site.server.kubectl("apply", "--server-side", "-f", "-", given=json.dumps(shallow))
    site.until(lambda: site.get("policy.streamwarden.io", "shallow").get("status", {}).get("revision"))
    site.server.kubectl("delete", "policy.streamwarden.io", "shallow", "-n", "risk")
    assert operator.ready()


def test_f8_a_killed_operator_goes_on_where_it_was(site: Site) -> None:
    site.operator.kill()
    site.apply_samples()
    site.start()
    site.until(lambda: site.ready("agentdeployment", "url-guard") == ("False", "GateNotReady"))


def test_f9_of_two_operators_one_writes_and_the_other_takes_over_when_it_stands_still(site: Site) -> None:
    """X82, and F9: two rewrote each other's Deployments for ever. Told by the API server's and Kafka's own logs."""
    first, second = site.operator, site.start()
    site.edit_policy()
    assert site.server.writes(first.user_agent)
    assert site.server.writes(second.user_agent) == []
    first.signal(signal.SIGSTOP)
    try:
        began_s = time.monotonic()
        site.edit_policy()
        took_s = time.monotonic() - began_s
    finally:
        first.signal(signal.SIGCONT)
    assert first.wait() == 1
    assert took_s < DURATION_S + 2 * RETRY_S + FIRST_LOOKS_S
    site.assert_one_after_the_other(first, second)
    assert {"stands by", "leads"} <= {line["event"] for line in second.log()}


def test_who_is_stopped_hands_over_at_once(site: Site) -> None:
    """A rolling update of two replicas leaves no gap that is as long as a Lease."""
    first, second = site.operator, site.start()
    began_s = time.monotonic()
    assert first.stop() == 0
    site.edit_policy()
    assert time.monotonic() - began_s < 2 * RETRY_S + FIRST_LOOKS_S
    assert site.server.writes(second.user_agent)


def test_the_inventory_is_changed_by_who_administers_the_operator_alone(site: Site) -> None:
    env = operator_environment({}) | {"KUBECONFIG": str(site.server.kubeconfig)}

    def ordered(*arguments: str) -> tuple[int, str]:
        asked = (str(PEOPLE), "inventory", *arguments, "--installation", "site")
        done = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    item = "user/risk.url-guard.gate"
    assert ordered("adopt", item) == (0, f"unchanged  {item}: it is this installation's already\n")
    used = "the AgentDeployment risk/url-guard uses it: take that away first"
    assert ordered("release", "--dry-run", item) == (1, f"refused    {item}: {used}\n")


def test_uninstall_lets_everything_go(site: Site) -> None:
    assert site.operator.stop() == 0
    env = operator_environment({}) | {"KUBECONFIG": str(site.server.kubeconfig)}

    def uninstall(*options: str) -> str:
        done = subprocess.run([PEOPLE, "uninstall", *options], env=env, capture_output=True, text=True, check=True)
        return done.stdout

    held = {"AgentDeployment risk/url-guard"} | {
        f"TopicContract risk/{name}" for name in ("url-commands", "url-outcomes", "urls-observed")
    }
    said = uninstall("--dry-run").splitlines()
    assert set(said[:-1]) == {f"would release {what}" for what in held}
    assert site.get("agentdeployment", "url-guard")["metadata"]["finalizers"]
    said = uninstall().splitlines()
    assert set(said[:-1]) == {f"released {what}" for what in held}
    assert said[-1] == "4 resources had finalizers of Streamwarden"
    site.server.kubectl("delete", KINDS, "--all", "-n", "risk", "--timeout=20s")
    assert uninstall().splitlines() == ["0 resources had finalizers of Streamwarden"]


def test_a_missing_setting_ends_with_what_to_set(site: Site) -> None:
    env = operator_environment({"kafka_properties": "/nowhere", "gate_image": "x"})
    done = subprocess.run([COMMAND, "run"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "/nowhere cannot be read" in done.stderr
    assert site.server.url
    done = subprocess.run([COMMAND, "run"], env=operator_environment({}), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "STREAMWARDEN_KAFKA_PROPERTIES" in done.stderr
