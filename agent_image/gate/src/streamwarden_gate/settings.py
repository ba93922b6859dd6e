"""What a gate is told by its environment, read once at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from streamwarden_contract.errors import NameNotAllowedError
from streamwarden_contract.names import check_agent_name, check_namespace
from streamwarden_contract.runtime_config import (
    ENV_CONFIG,
    ENV_CREDENTIALS,
    ENV_GATE_MAX_BATCH,
    ENV_GATE_MAX_RATE,
    ENV_POD,
    ENV_READY_FILE,
    GATE_CONFIG_FILE,
    HIGHEST_MAX_RATE,
    LARGEST_MAX_BATCH,
    LOWEST_MAX_RATE,
    PUBLIC_KEYS_FILE,
    GateConfig,
)
from streamwarden_contract.validation import first_problem
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection
from streamwarden_kafka.errors import ConnectionSettingsError

from streamwarden_gate.errors import ConfigError
from streamwarden_gate.pace import DEFAULT_MAX_RATE
from streamwarden_gate.snapshot import Identity

ENV_MAX_STALENESS = "STREAMWARDEN_GATE_MAX_STALENESS"
"""Seconds for which decisions are judged without a proof that the policies are up to date: 2 to 300."""

_DEFAULT_MAX_BATCH = 1_000
_DEFAULT_MAX_STALENESS_S, _SHORTEST_MAX_STALENESS_S, _LONGEST_MAX_STALENESS_S = 30, 2, 300


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a gate knows before it reads the policy log."""

    identity: Identity
    kafka: Connection
    public_keys: Path
    max_batch: int = _DEFAULT_MAX_BATCH
    """Most records of one transaction."""
    max_staleness_s: float = _DEFAULT_MAX_STALENESS_S
    """How old the newest proof that the policies are up to date may be while decisions are judged."""
    max_rate: int = DEFAULT_MAX_RATE
    """Most records that are judged in a second: no agent fills the audit faster."""
    ready_file: Path | None = None
    """File that is there while the gate's policies are current; without one nobody asks."""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the environment and the files that it names.

    Raises:
        ConfigError: something is missing or wrong; the message says what to do.
    """
    config_folder = _folder(environment, ENV_CONFIG, f"{GATE_CONFIG_FILE} and {PUBLIC_KEYS_FILE}")
    credentials = _folder(environment, ENV_CREDENTIALS, CLIENT_PROPERTIES_FILE)
    pod = environment.get(ENV_POD, "")
    if not pod:
        raise ConfigError(f"set {ENV_POD} to the name of this pod; it must be stable over restarts in place")
    try:
        config = GateConfig.model_validate_json(_read(config_folder / GATE_CONFIG_FILE))
        check_namespace(config.namespace, config.installation)
        check_agent_name(config.agent)
    except ValidationError as error:
        raise ConfigError(f"{config_folder / GATE_CONFIG_FILE}: {first_problem(error)}") from None
    except NameNotAllowedError as error:
        raise ConfigError(f"{config_folder / GATE_CONFIG_FILE}: {error}") from error
    return Settings(
        identity=Identity(
            config.namespace, config.agent, config.uid, pod, config.operator_namespace, config.installation
        ),
        kafka=_connection(credentials / CLIENT_PROPERTIES_FILE),
        public_keys=config_folder / PUBLIC_KEYS_FILE,
        max_batch=_number(environment, ENV_GATE_MAX_BATCH, 1, _DEFAULT_MAX_BATCH, LARGEST_MAX_BATCH),
        max_staleness_s=_number(
            environment,
            ENV_MAX_STALENESS,
            _SHORTEST_MAX_STALENESS_S,
            _DEFAULT_MAX_STALENESS_S,
            _LONGEST_MAX_STALENESS_S,
        ),
        max_rate=_number(environment, ENV_GATE_MAX_RATE, LOWEST_MAX_RATE, DEFAULT_MAX_RATE, HIGHEST_MAX_RATE),
        ready_file=_ready_file(environment.get(ENV_READY_FILE)),
    )


def _folder(environment: Mapping[str, str], variable: str, files: str) -> Path:
    value = environment.get(variable, "")
    if not value or not Path(value).is_dir():
        raise ConfigError(f"set {variable} to the folder that holds {files}; it is {value or 'not set'}")
    return Path(value)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error


def _connection(path: Path) -> Connection:
    try:
        return Connection.read(path)
    except ConnectionSettingsError as error:
        raise ConfigError(str(error)) from error


def _ready_file(text: str | None) -> Path | None:
    if not text:
        return None
    if not Path(text).parent.is_dir():
        raise ConfigError(f"{ENV_READY_FILE} must name a file in a folder that exists, not {text!r}")
    return Path(text)


def _number(environment: Mapping[str, str], variable: str, least: int, default: int, most: int) -> int:
    text = environment.get(variable)
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{variable} must be an integer from {least} to {most}, not {text!r}")
    return int(text)
