"""Where the commands ``streamwarden`` and ``kubectl streamwarden`` begin.

Nothing is imported before :func:`main` runs, so that Ctrl-C shows no traceback even while the rest is being imported.
"""


def main() -> None:
    """Run the command."""
    try:
        from streamwarden_cli.main import app

        app(prog_name=_program_name())
    except KeyboardInterrupt:
        from streamwarden_cli.exit_codes import end_interrupted

        end_interrupted()


def _program_name() -> str:
    """Return what a person types: kubectl runs its plugin ``kubectl-streamwarden`` as ``kubectl streamwarden``."""
    import sys
    from pathlib import Path

    return "kubectl streamwarden" if Path(sys.argv[0]).stem == "kubectl-streamwarden" else "streamwarden"


if __name__ == "__main__":
    main()
