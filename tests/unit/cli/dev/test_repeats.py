"""What a program says each time that it ends is said once."""

from streamwarden_cli.dev.repeats import LastLines

ENDED = "agent of risk/guard ended with exit code 1, starts again in {} s"


def ended(wait_s: int, lines: str = "SyntaxError: '(' was never closed") -> str:
    return f"{ENDED.format(wait_s)}. Its last lines:\n{lines}"


def test_the_same_last_lines_are_said_once() -> None:
    said = LastLines()
    assert said.shorten("risk/guard", ended(1)) == ended(1)
    assert said.shorten("risk/guard", ended(2)) == f"{ENDED.format(2)}; its last lines are the same"


def test_other_last_lines_and_those_of_another_agent_are_said() -> None:
    said = LastLines()
    for subject, message in [
        ("risk/guard", ended(1)),
        ("risk/other", ended(1)),
        ("risk/guard", ended(2, "NameError: x")),
        ("risk/guard", ended(4)),
        ("risk/guard", "waits for its gate"),
    ]:
        assert said.shorten(subject, message) == message
