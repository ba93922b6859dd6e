"""What one process leaves to the next, in memory that its supervisor keeps."""

from streamwarden_gate.note import Doing, Note, make_file


def test_x07_the_next_process_knows_by_which_id_the_group_waits_for_the_one_that_died() -> None:
    file = make_file()
    Note(file).join("rdkafka-0f3c")
    Note(file).take(Doing.JUDGING, 3, 2**40)
    Note(file).skipped(1.0)
    assert Note(file).member == "rdkafka-0f3c"
    Note(file).join("")
    assert Note(file).member == ""


def test_an_id_that_is_too_long_to_be_kept_is_none() -> None:
    note = Note()
    note.join("x" * 256)
    assert note.member == ""
    note.join("x" * 255)
    assert note.member == "x" * 255
