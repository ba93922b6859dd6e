"""Runs the operator until it is stopped."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import kopf

from streamwarden_operator.adapters.kubernetes.deep_json import read_deep_everywhere
from streamwarden_operator.garbage import look_seldom
from streamwarden_operator.handlers.patience import be_patient_everywhere
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.handlers.watches import build_registry, build_settings
from streamwarden_operator.handlers.watching_on import watch_on_everywhere
from streamwarden_operator.settings import OperatorSettings

_THREADS_BESIDE_WORKERS = 8
"""For calls that block and are no worker's: keeping groups, closing connections."""

CANNOT_GO_ON = 1
"""Exit code: another operator publishes now, or Kafka's client hangs. Kubernetes starts this one again, which then
takes over or fails again.
"""


def run(settings: OperatorSettings) -> int:
    """Run until SIGTERM, SIGINT, or what only a new process can go on after; returns the exit code.

    Raises:
        InvalidSpecError: something is missing that only a person can mend.
    """
    return asyncio.run(serve(settings))


async def serve(settings: OperatorSettings) -> int:
    """Run in this event loop, which must be of its own: kopf cancels whatever else was started in it meanwhile."""
    read_deep_everywhere()
    watch_on_everywhere()
    be_patient_everywhere()
    look_seldom()
    # asyncio's own has six threads on two cores, and most wait for an answer of Kafka.
    threads = ThreadPoolExecutor(settings.workers + _THREADS_BESIDE_WORKERS, thread_name_prefix="kafka")
    asyncio.get_running_loop().set_default_executor(threads)
    runtime = await Runtime.open(settings)
    try:
        await kopf.operator(
            registry=build_registry(),
            settings=build_settings(),
            memo=kopf.Memo(runtime=runtime),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            stop_flag=runtime.stopping,
        )
    finally:
        await runtime.stop()
    if runtime.refused is not None:
        raise runtime.refused
    return CANNOT_GO_ON if runtime.lost else 0
