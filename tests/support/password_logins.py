"""Whether a password opens the door of Kafka."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from streamwarden_kafka.errors import BrokerUnavailableError, LoginRefusedError
from streamwarden_kafka.wire.connections import Wire
from support.dev_process import PATIENCE_S

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection


def is_let_in(login: Connection) -> bool:
    """Tell whether a login opens the door; a busy broker that gives no answer within seconds is asked again."""

    async def log_in() -> None:
        async with Wire(login, "test", timeout_s=PATIENCE_S) as wire:
            await wire.any_broker()

    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            asyncio.run(log_in())
        except LoginRefusedError:
            return False
        except BrokerUnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return True
