"""The fixtures that all tests may ask for. What they run is imported by who asks: unit tests load nothing of it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.api_server import ApiServer
    from support.brokers import Broker, ProxiedBroker
    from support.governed import Governed
    from support.kafka_tools import Cluster
    from support.policy_log import SigningKey
    from support.stack_fixture import OwnStack, RunningStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The run's one real Kafka, for all workers; its registry starts beside it, and ``registry_url`` waits for it."""
    from support.sharing import run_folder
    from support.stack_fixture import shared_stack

    with shared_stack(run_folder(tmp_path_factory) / "shared-stack") as of_the_run:
        yield of_the_run


@pytest.fixture(scope="session")
def stack_with_registry(stack: RunningStack) -> RunningStack:
    """The run's stack, with its registry answering."""
    assert stack.registry_url
    return stack


@pytest.fixture(scope="session")
def breakable_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    """A Kafka without a registry for the tests that kill it or keep it from answering."""
    from support.stack_fixture import running_stack

    with running_stack(tmp_path_factory.mktemp("breakable-stack"), registry=False) as own:
        yield own


@pytest.fixture(scope="session")
def gate_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStack]:
    """A Kafka without a registry for gates as processes: the tests own its guardrail topic, and may kill it."""
    from streamwarden_devstack.stack import KafkaOptions
    from support.stack_fixture import running_stack

    kafka = KafkaOptions(proxied=True)
    with running_stack(tmp_path_factory.mktemp("gate-stack"), kafka=kafka, registry=False) as own:
        yield own


@pytest.fixture(scope="session")
def gate_cluster(gate_stack: OwnStack) -> Cluster:
    """The super user there."""
    from support.kafka_tools import Cluster

    return Cluster(gate_stack.operator_properties)


@pytest.fixture(scope="session")
def gate_key(gate_cluster: Cluster) -> SigningKey:
    """The key that policies are signed with there, and the guardrails, of which there are none."""
    from support.gate_world import publish_guardrails
    from support.policy_log import SigningKey

    key = SigningKey()
    publish_guardrails(gate_cluster, key)
    return key


@pytest.fixture(scope="session")
def sole_operator() -> None:
    """Be the run's one operator: only one publishes a broker's policies, and it minds the rights of everybody there.

    Whoever asks for this is in one worker with all others that do.
    """


@pytest.fixture
def unique() -> str:
    """A word that no other test has: ``t`` and 10 hex digits."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def kfake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """An in-memory Kafka of three brokers for the session, up at once."""
    from support.brokers import running_kfake

    with running_kfake(tmp_path_factory.mktemp("kfake")) as broker:
        yield broker


KFAKE, APACHE = pytest.param("kfake", marks=pytest.mark.kfake), pytest.param("apache", marks=pytest.mark.broker)


@pytest.fixture(params=[KFAKE, APACHE])
def broker(request: Any) -> Broker:
    """Each of the two in turn."""
    from support.brokers import Broker

    if request.param == "kfake":
        return cast("Broker", request.getfixturevalue("kfake"))
    stack = cast("RunningStack", request.getfixturevalue("stack"))
    return Broker("apache", stack.operator)


@pytest.fixture(params=[KFAKE, APACHE])
def proxied(request: pytest.FixtureRequest) -> Iterator[ProxiedBroker]:
    """Each of the two in turn, behind a proxy that lives in a thread."""
    with proxied_broker(request.param, request) as broker:
        yield broker


@contextmanager
def proxied_broker(name: str, request: pytest.FixtureRequest) -> Iterator[ProxiedBroker]:
    """Run one of the two by its name, and a proxy before it, for a fixture of a test's own."""
    from support.brokers import behind_a_proxy, kfake_behind_a_proxy
    from support.sharing import FileLock, run_folder

    if name == "kfake":
        with kfake_behind_a_proxy(request.getfixturevalue("tmp_path") / "kfake") as broker:
            yield broker
        return
    stack: RunningStack = request.getfixturevalue("stack")
    # The run's Kafka tells its clients one address, so one proxy at a time can be there.
    with FileLock(run_folder(request.getfixturevalue("tmp_path_factory")) / "proxy") as door:
        door.take()
        with behind_a_proxy("apache", stack.routes, stack.operator) as broker:
            yield broker


@pytest.fixture(scope="session")
def bare_api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The session's API server, before it has our CRDs."""
    from support.api_server import running_api_server

    with running_api_server(tmp_path_factory.mktemp("api-server")) as server:
        yield server


@pytest.fixture(scope="session")
def api_server(bare_api_server: ApiServer) -> ApiServer:
    """A real API server with our CRDs."""
    bare_api_server.apply_crds()
    return bare_api_server


@pytest.fixture(scope="session")
def governed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    """Streamwarden on a real node, for the session."""
    from streamwarden_devstack.cluster import ClusterError
    from support.governed import installed
    from support.needs import without_cluster

    with ExitStack() as everything:
        try:
            site = everything.enter_context(installed(tmp_path_factory.mktemp("governed")))
        except ClusterError as error:
            without_cluster(str(error))
        yield site
