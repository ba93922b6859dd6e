"""``python -m streamwarden.runtime``: exit code 0 after SIGTERM, 2 where it cannot start, 3 when fenced."""

import asyncio
import signal
import sys
from datetime import UTC, datetime
from functools import partial

import structlog
from streamwarden_contract.names import AgentNames
from streamwarden_kafka.errors import ProducerFencedError

from streamwarden.agent import Agent
from streamwarden.core.dispatch import Dispatcher
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.core.writing import Author
from streamwarden.errors import AgentDefinitionError
from streamwarden.runtime.errors import ConfigurationError
from streamwarden.runtime.feed import KafkaFeed
from streamwarden.runtime.history import KafkaHistory
from streamwarden.runtime.inputs import follow
from streamwarden.runtime.logs import configure_logs
from streamwarden.runtime.pauses import LoopClock
from streamwarden.runtime.ports import Ports
from streamwarden.runtime.server import Server, run_start_hooks
from streamwarden.runtime.settings import Startup, load_agent, read_startup, say_why
from streamwarden.runtime.transactions import KafkaTransactions

EXIT_CONFIGURATION = 2
EXIT_FENCED = 3


def main() -> int:
    """Serve the agent that the environment names, until SIGTERM or SIGINT."""
    configure_logs()
    log = structlog.get_logger()
    try:
        startup = read_startup()
        startup.mark_starting()
        agent = load_agent(startup.agent.entrypoint)
        routes = Routes(agent, startup.agent.sources)
        unhandled = routes.check()
        if startup.inputs is not None:
            startup.inputs.apply(routes)
    except (ConfigurationError, AgentDefinitionError) as error:
        log.error("The agent cannot start", problem=str(error))  # noqa: TRY400  # the message is for the author; a traceback is not
        say_why(str(error))
        return EXIT_CONFIGURATION
    if unhandled:
        log.warning("Event types without a handler are passed over", types=unhandled)
    try:
        asyncio.run(_serve(startup, agent, routes))
    except ProducerFencedError as error:
        log.error("Fenced", problem=str(error))  # noqa: TRY400  # nothing in our code is at fault
        return EXIT_FENCED
    log.info("Agent stopped")
    return 0


async def _serve(startup: Startup, agent: Agent, routes: Routes) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_start_hooks(agent.start)
    config = startup.agent
    names = AgentNames(config.namespace, config.agent)
    dispatcher = Dispatcher(
        routes,
        Author.of(config),
        Backoff.of(config.retry),
        concurrency=agent.concurrency,
        sleep=asyncio.sleep,
        decision_format=startup.formats.decision,
        now=lambda: datetime.now(UTC),
    )
    ports = Ports(
        feed=KafkaFeed(startup.kafka, names.agent_group, routes.topics),
        transactions=KafkaTransactions(startup.kafka, names.agent_transactional_id(startup.pod), config.decision_topic),
        history=partial(KafkaHistory, startup.kafka, names.agent_group),
        clock=LoopClock(),
    )
    structlog.get_logger().info(
        "Agent started", namespace=config.namespace, agent=config.agent, pod=startup.pod, topics=routes.topics
    )
    server = Server(
        ports,
        dispatcher,
        replayed_topics=routes.replayed_topics,
        deduplicated_topics=routes.deduplicated_topics,
        stop=stop,
        on_joined=startup.mark_ready,
    )
    following = None if startup.inputs is None else asyncio.create_task(follow(startup.inputs, routes))
    try:
        await server.run()
    finally:
        if following is not None:
            following.cancel()


if __name__ == "__main__":
    sys.exit(main())
