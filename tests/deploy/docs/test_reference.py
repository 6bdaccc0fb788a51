"""The reference pages are those of the code, and the index names every page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from deploy.cli.app import build_app
from service.web.ops.routes import ENDPOINTS
from service.web.problems import PROBLEM_TYPES
from tests.deploy.docs.parity import NOT_IN_API, OPERATIONS
from tests.deploy.docs.reference import FOLDER, PAGES, list_commands

DOCS: Final = FOLDER.parent
LINK: Final = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_that_of_the_code(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), (
        "write the pages again: python -m tests.deploy.docs.reference"
    )


def test_the_reference_has_what_one_looks_for() -> None:
    assert r"| `--lang vi\|en` |" in PAGES["command-line.md"]()
    assert "## tagger rules rollback" in PAGES["command-line.md"]()
    assert "## `RETENTION_DAYS`\n\n*default `30`*" in PAGES["settings.md"]()
    assert len(re.findall(r"^\| `(?:GET|POST|PUT|DELETE) /ops", PAGES["ops-api.md"](), re.MULTILINE)) == len(
        ENDPOINTS
    )
    assert re.findall("^## (.+)$", PAGES["problems.md"](), re.MULTILINE) == list(PROBLEM_TYPES)
    assert "| `tagger_queue_oldest_seconds` | gauge |" in PAGES["signals.md"]()


def test_every_command_is_an_operation_of_the_api_or_says_why_not() -> None:
    root: Any = typer.main.get_command(build_app())

    assert OPERATIONS.keys() | NOT_IN_API.keys() == {
        " ".join(path[1:]) for path, _ in list_commands(root, ("tagger",))
    }
    assert not OPERATIONS.keys() & NOT_IN_API.keys()


def pages() -> list[Path]:
    return sorted(DOCS.rglob("*.md"))


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = {(DOCS / target).resolve() for target in LINK.findall(index)}

    assert [page for page in pages() if page.resolve() not in linked and page.name != "README.md"] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_a_link_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.vi.md")), ids=lambda page: page.name)
def test_a_vietnamese_page_has_an_english_one(page: Path) -> None:
    assert page.with_name(page.name.replace(".vi.md", ".md")).is_file()
