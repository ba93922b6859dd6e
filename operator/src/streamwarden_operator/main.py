"""The command ``streamwarden-operator``."""

from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.settings import PREFIX, OperatorSettings, load_settings
from streamwarden_operator.version_option import version_option

# Plain tracebacks: logs are for programs, and local variables may be secrets.
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root(
    *, version: Annotated[bool, version_option("streamwarden-operator", "streamwarden-operator")] = False
) -> None:
    """Streamwarden's controller. The commands of people are in 'streamwarden'."""
    del version


@app.command()
def run() -> None:
    """Run the operator until it is stopped.

    Settings come from the environment (STREAMWARDEN_*, see docs/reference/settings.md). It needs

    * STREAMWARDEN_KAFKA_PROPERTIES: a file with librdkafka's settings of the operator's own Kafka user,

    * STREAMWARDEN_GATE_IMAGE: the image of the gate in every pod,

    * an API server with the CRDs: KUBECONFIG, the pod's service account, or ~/.kube/config.

    Exits with 0 when stopped by a signal, 1 when only a new process can go on, 2 when a setting must be mended.
    """
    from streamwarden_operator.handlers.running import run as run_operator
    from streamwarden_operator.logs import configure_logging

    settings = _settings()
    configure_logging(settings.log_level)
    try:
        code = run_operator(settings)
    except InvalidSpecError as error:
        _refuse(str(error))
    raise typer.Exit(code)


def _settings() -> OperatorSettings:
    try:
        return load_settings()
    except InvalidSpecError as error:
        _refuse(str(error))
    except ValidationError as error:
        _refuse("\n".join(_refusals(error)))


def _refusals(error: ValidationError) -> Iterator[str]:
    """Name each variable and what is wrong with it; no value, which may be a password in a URL."""
    for fault in error.errors(include_input=False, include_url=False):
        name, message = "_".join(map(str, fault["loc"][:1])), fault["msg"]
        if fault["type"] == "time_delta_parsing":
            message = "write a duration as in 'PT90S', '00:01:30' or 'P90D'"
        yield f"{PREFIX}{name.upper()}: {message}"


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
