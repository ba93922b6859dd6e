"""What the contracts say of the agent's events: a file that the operator changes while the agent runs."""

import asyncio
from pathlib import Path

import structlog
from pydantic import ValidationError
from streamwarden_contract.runtime_config import AGENT_INPUTS_FILE, AgentInputs

from streamwarden.core.routing import Routes
from streamwarden.runtime.errors import ConfigurationError

_EVERY_S = 5.0


class InputsFile:
    """The file in the agent's folder of configuration. Without one nothing is said, and any JSON is an event."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / AGENT_INPUTS_FILE
        self._seen = ""

    def apply(self, routes: Routes) -> bool:
        """Let the routes judge by what the file says now; tell whether that is anything new.

        Raises:
            ConfigurationError: it cannot be read or used: the routes judge as before.
        """
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._path}: {error}") from error
        if text == self._seen:
            return False
        self._seen = text  # a file that is wrong is told once
        try:
            routes.judge_by(AgentInputs.model_validate_json(text) if text else AgentInputs())
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise ConfigurationError(f"{self._path}: {faults}") from error
        except ValueError as error:
            raise ConfigurationError(f"{self._path}: {error}") from error
        return True


async def follow(inputs: InputsFile, routes: Routes) -> None:
    """Apply every change of the file until cancelled."""
    log = structlog.get_logger()
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            if inputs.apply(routes):
                log.info("Events are judged by changed contracts")
        except ConfigurationError as error:
            log.error("Events are judged as before", problem=str(error))  # noqa: TRY400  # nothing in our code is at fault
