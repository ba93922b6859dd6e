from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.stack.errors import DownloadError
from streamwarden_devstack.stack.repository import Repository, central_mirror, find_repository

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """<settings xmlns="urn:maven:settings">
  <mirrors><mirror><id>corp</id><mirrorOf>{of}</mirrorOf><url>https://{host}/maven/</url></mirror></mirrors>
  <servers><server><id>corp</id><username>me</username><password>{password}</password></server></servers>
</settings>"""
CORP = Repository("https://mirror.test/maven", "me", "pw")


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        pytest.param("central", CORP, id="central"),
        pytest.param("*", CORP, id="everything"),
        pytest.param("snapshots,central", CORP, id="central-among-others"),
        pytest.param("*,!central", None, id="everything-but-central"),
        pytest.param("snapshots", None, id="something-else"),
    ],
)
def test_a_mirror_of_the_central_repository_is_found(of: str, expected: Repository | None) -> None:
    settings = SETTINGS.format(of=of, host="mirror.test", password="pw")

    assert central_mirror(settings, {}) == expected


def test_environment_variables_in_the_settings_are_filled_in() -> None:
    settings = SETTINGS.format(of="*", host="${env.HOST}", password="${env.SECRET}")

    assert central_mirror(settings, {"HOST": "mirror.test", "SECRET": "pw"}) == CORP


def test_a_password_that_maven_encrypted_is_left_out() -> None:
    settings = SETTINGS.format(of="*", host="mirror.test", password="{abc=}")

    assert central_mirror(settings, {}) == Repository("https://mirror.test/maven")


def test_a_password_is_not_shown() -> None:
    assert "pw" not in repr(CORP)


def test_the_variable_wins_over_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / ".m2"
    folder.mkdir()
    (folder / "settings.xml").write_text(SETTINGS.format(of="*", host="mirror.test", password="pw"))

    assert find_repository({}, tmp_path) == CORP
    assert find_repository({"STREAMWARDEN_MAVEN_REPOSITORY": "https://other.test/"}, tmp_path) == Repository(
        "https://other.test"
    )


def test_without_settings_there_still_is_a_repository(tmp_path: Path) -> None:
    assert find_repository({}, tmp_path).url.startswith("https://")


def test_broken_settings_are_named(tmp_path: Path) -> None:
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text("<settings>")

    with pytest.raises(DownloadError, match=r"settings\.xml is not XML"):
        find_repository({}, tmp_path)
