"""Commands in the tests' own process leave nothing behind."""

import structlog
import typer
from support.commands import CliRunner


def test_the_logs_of_a_command_are_those_of_nobody_else() -> None:
    application = typer.Typer()

    @application.command()
    def quiet() -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
        typer.echo(structlog.is_configured())

    assert CliRunner().invoke(application, []).output == "True\n"
    assert not structlog.is_configured()
