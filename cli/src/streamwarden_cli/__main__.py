"""Where the commands ``streamwarden`` and ``kubectl streamwarden`` begin.

Nothing is imported before :func:`main` runs, so that Ctrl-C shows no traceback even while the rest is being imported.
"""


def main() -> None:
    """Run the command."""
    try:
        import signal

        # Python lets an exception pass that is raised in a callback of its imports: there Ctrl-C would do nothing.
        ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if ours:
            signal.signal(signal.SIGINT, _end_at_once)
        from streamwarden_cli.main import app

        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        app(prog_name=_program_name())
    except KeyboardInterrupt:
        from streamwarden_cli.exit_codes import end_interrupted

        end_interrupted()


def _end_at_once(_number: int, _frame: object) -> None:
    import os

    os.write(2, b"interrupted\n")
    os._exit(130)  # ExitCode.INTERRUPTED, which cannot be imported now


def _program_name() -> str:
    """Return what a person types: kubectl runs its plugin ``kubectl-streamwarden`` as ``kubectl streamwarden``."""
    import sys
    from pathlib import Path

    return "kubectl streamwarden" if Path(sys.argv[0]).stem == "kubectl-streamwarden" else "streamwarden"


if __name__ == "__main__":
    main()
