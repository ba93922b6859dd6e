from __future__ import annotations

import errno
import sys
from pathlib import Path

import pytest
from streamwarden_devstack.cache import cache_folder, why_unusable

CACHE = Path("/home/me/.cache/streamwarden")


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        pytest.param("linux", {}, "/home/me/.cache/streamwarden", id="linux"),
        pytest.param("linux", {"XDG_CACHE_HOME": "/c"}, "/c/streamwarden", id="xdg"),
        pytest.param("darwin", {}, "/home/me/Library/Caches/streamwarden", id="macos"),
        pytest.param("darwin", {"STREAMWARDEN_CACHE": "/mine"}, "/mine", id="said-by-the-user"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    monkeypatch: pytest.MonkeyPatch, platform: str, environment: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)

    assert cache_folder(environment, Path("/home/me")) == Path(expected)


def denied(*files: str | bytes) -> OSError:
    return PermissionError(
        errno.EACCES, "Permission denied", *((files[0], None, files[1]) if len(files) > 1 else files)
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(denied(str(CACHE / "files" / "a.jar")), id="of-a-file-in-it"),
        pytest.param(denied(bytes(CACHE)), id="of-the-folder-itself"),
        pytest.param(denied("/home/me/new", str(CACHE / "bin")), id="of-a-file-moved-into-it"),
    ],
)
def test_an_error_about_the_cache_names_the_folder_and_the_setting_that_moves_it(error: OSError) -> None:
    assert why_unusable(error, CACHE) == (
        f"the cache folder {CACHE} cannot be used (Permission denied): name another one with STREAMWARDEN_CACHE"
    )


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(denied("/home/me/.cache/streamwardens"), id="of-a-neighbour"),
        pytest.param(OSError(errno.EMFILE, "Too many open files"), id="of-no-file"),
    ],
)
def test_another_error_says_nothing_of_the_cache(error: OSError) -> None:
    assert why_unusable(error, CACHE) is None
