"""Which files an agent's program is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.agent_code import code_of

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "guard.py": "import json\nimport scores, rules.strict\nfrom shop import prices\nimport nowhere\n",
    "scores.py": "def f():\n    import late\n",
    "late.py": "import guard\n",
    "rules/__init__.py": "",
    "rules/strict.py": "from . import common\nfrom .deep.most import x\nfrom .. import outside\n",
    "rules/common.py": "",
    "rules/deep/__init__.py": "",
    "rules/deep/most.py": "from ..other import y\n",
    "rules/other.py": "",
    "shop/__init__.py": "",
    "shop/prices.py": "",
    "shop/unused.py": "",
    "blocker.py": "import scores\n",
    "broken.py": "import scores\ndef\n",
    "tests.py": "import guard\n",
}
OF_GUARD = {
    "guard.py", "scores.py", "late.py", "shop/__init__.py", "shop/prices.py",
    "rules/__init__.py", "rules/strict.py", "rules/common.py", "rules/other.py",
    "rules/deep/__init__.py", "rules/deep/most.py",
}  # fmt: skip

OF_MOST = {"rules/__init__.py", "rules/other.py", "rules/deep/__init__.py", "rules/deep/most.py"}


@pytest.mark.parametrize(
    ("entrypoint", "files"),
    [
        pytest.param("guard:agent", OF_GUARD, id="everything-that-it-imports"),
        pytest.param("blocker:agent", OF_GUARD | {"blocker.py"}, id="by-another-s-imports-too"),
        pytest.param(
            "rules.deep.most:agent",
            OF_MOST,
            id="packages-above",
        ),
        pytest.param("broken:agent", {"broken.py"}, id="what-is-no-python-for-itself"),
        pytest.param("json:agent", set(), id="nothing-of-elsewhere"),
    ],
)
def test_x29_a_program_is_made_of_what_it_imports_from_the_folder(
    tmp_path: Path, entrypoint: str, files: set[str]
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert {path.relative_to(tmp_path).as_posix() for path in code_of(tmp_path, entrypoint)} == files
