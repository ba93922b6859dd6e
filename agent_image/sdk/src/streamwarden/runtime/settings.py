"""What the process is started with: folders of configuration and credentials, and the name of its pod."""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from streamwarden_contract.decision import DecisionFormat
from streamwarden_contract.runtime_config import (
    AGENT_CONFIG_FILE,
    ENV_LAST_WORDS,
    FORMATS_FILE,
    AgentConfig,
    Formats,
)
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection
from streamwarden_kafka.errors import ConnectionSettingsError

from streamwarden.agent import Agent
from streamwarden.runtime.errors import ConfigurationError
from streamwarden.runtime.inputs import InputsFile


class RuntimeSettings(BaseSettings):
    """Read once at start from ``STREAMWARDEN_*``."""

    model_config = SettingsConfigDict(env_prefix="STREAMWARDEN_", frozen=True)

    config: Path
    """Folder with ``agent.json``."""
    credentials: Path
    """Folder with ``client.properties``."""
    pod: str
    """Name of the pod; it ends the transactional id."""
    ready_file: Path | None = None
    """File to make once the agent has joined its consumer group: what a readiness probe looks for."""


@dataclass(frozen=True, slots=True)
class Startup:
    """Everything that the runtime needs to know."""

    agent: AgentConfig
    pod: str
    kafka: Connection
    formats: "FormatsFile"
    ready_file: Path | None = None
    inputs: InputsFile | None = None
    """What the contracts say of the agent's events."""

    def mark_ready(self) -> None:
        """Make the file that says so, where one is named."""
        if self.ready_file is not None:
            self.ready_file.touch()

    def mark_starting(self) -> None:
        """Remove the file of an earlier process: a pod's volumes outlive the restart of a container."""
        if self.ready_file is not None:
            self.ready_file.unlink(missing_ok=True)


class FormatsFile:
    """What the agent's gates read, in a file that changes while the agent runs. Whatever is not certain is format 1."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._decision: DecisionFormat = 1

    def decision(self) -> DecisionFormat:
        """Return the format to write now; without a file, or with one that cannot be read, 1."""
        try:
            status = self._file.stat()
            stamp = status.st_mtime_ns, status.st_ino
            if stamp != self._stamp:
                self._stamp, self._decision = stamp, Formats.model_validate_json(self._file.read_bytes()).writable
        except (OSError, ValidationError):
            self._stamp, self._decision = None, 1
        return self._decision


def read_startup() -> Startup:
    """Read environment and files.

    Raises:
        ConfigurationError: something is missing or not valid.
    """
    try:
        settings = RuntimeSettings()
    except ValidationError as error:
        missing = ", ".join(f"STREAMWARDEN_{str(fault['loc'][0]).upper()}" for fault in error.errors())
        raise ConfigurationError(f"set {missing} in the environment") from error
    config_file = settings.config / AGENT_CONFIG_FILE
    try:
        config = AgentConfig.model_validate_json(_read(config_file))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigurationError(f"{config_file}: {faults}") from error
    kafka = read_connection(settings.credentials)
    formats = FormatsFile(settings.config / FORMATS_FILE)
    return Startup(config, settings.pod, kafka, formats, settings.ready_file, InputsFile(settings.config))


def say_why(problem: str) -> None:
    """Leave word of why the process ends, for whoever looks at the pod; the log has it too."""
    if path := os.environ.get(ENV_LAST_WORDS):
        Path(path).write_text(problem, "utf-8")


def read_connection(folder: Path) -> Connection:
    """Read the client settings of a folder with credentials.

    Raises:
        ConfigurationError: there are none, or a line is none. Its text is not repeated: it may be a password.
    """
    try:
        return Connection.read(folder / CLIENT_PROPERTIES_FILE)
    except ConnectionSettingsError as error:
        raise ConfigurationError(str(error)) from error


def load_agent(entrypoint: str) -> Agent:
    """Import the agent, as in ``url_guard:agent``.

    Raises:
        ConfigurationError: there is no such module or object, or it is no ``Agent``. What the module itself raises
            when it is imported is passed on.
    """
    module_name, _, attribute = entrypoint.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            f"entrypoint {entrypoint!r}: there is no module {error.name!r}; is it in the image, and on PYTHONPATH?"
        ) from error
    found = getattr(module, attribute, None)
    if isinstance(found, Agent):
        return found
    if found is not None:
        raise ConfigurationError(f"entrypoint {entrypoint!r} is a {type(found).__name__}, not a streamwarden.Agent")
    raise ConfigurationError(
        f"entrypoint {entrypoint!r}: module {module_name!r} has no {attribute!r}; write '{attribute} = Agent()' in it"
    )


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8") from error
