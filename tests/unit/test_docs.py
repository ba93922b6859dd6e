"""What the documentation says of the tree and its words is so."""

import re
from pathlib import Path

import pytest
from streamwarden_contract.models import KINDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "changelog.d").glob("*.md")])
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
PRIVATE_WORDS = re.compile(r"\b(ledger|meeting|lab)\b", re.IGNORECASE)


def test_the_glossary_has_every_kind_and_condition() -> None:
    words = {kind.__name__ for kind in KINDS} | {condition for kind in KINDS for condition in kind.conditions}
    assert sorted(word for word in words if f"`{word}`" not in GLOSSARY) == []


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_the_glossary_is_found_from(page: str) -> None:
    assert "glossary.md)" in (ROOT / page).read_text(encoding="utf-8")


def test_words_that_the_glossary_replaces_are_nowhere() -> None:
    read = [*PAGES, *ROOT.glob("*/src/**/*.py"), *ROOT.glob("agent_image/*/src/**/*.py"), *ROOT.glob("crds/*.yaml")]
    assert len(read) > len(PAGES)
    found = [path for path in read if PRIVATE_WORDS.search(path.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_of_a_page_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []
