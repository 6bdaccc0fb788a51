"""The architecture document and the other documents name only what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = (ROOT / "deploy/docs/architecture.md").read_text(encoding="utf-8")
DOCUMENTS: Final = (
    "README.md",
    "CHANGELOG.md",
    "deploy/RUNBOOK.md",
    "deploy/env.example",
    "deploy/sandbox/README.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "deploy/docs").glob("*.md"))),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "deploy/decisions").glob("*.md"))),
)
IN_BACKTICKS: Final = re.compile(r"`([^`]+)`")
PATH: Final = re.compile(r"`((?:service|workers|deploy|tests)/[\w./-]+)`")
LINK: Final = re.compile(r'(?:\]\(|src=")(?!https?:|#)([^)"#]+)')
DEFINITION: Final = r"(?:(?:def|class|function) {name}\b|^ *(?:local )?{name}\b(?::| =))"

Answer = tuple[str, str]  # a file or folder, and a name that it defines


def questions() -> list[str]:
    """The numbered questions with their answers, each as one text."""
    section = DOCUMENT.partition("## Twenty questions")[2]
    return [" ".join(item.split()) for item in re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]]


def answers() -> list[Answer]:
    pairs: list[Answer] = []
    for question in questions():
        path = ""
        for word in IN_BACKTICKS.findall(question.partition("→")[2]):
            if "/" in word:
                path = word
                pairs.append((path, ""))
            else:
                pairs.append((path, word))
    return pairs


def rooms() -> set[str]:
    return {name for name in re.findall(r"^\| `([\w/.]+)` \|", DOCUMENT, re.MULTILINE) if name != "tests"}


def test_there_are_twenty_questions_and_each_has_an_answer() -> None:
    assert len(questions()) == 20
    assert all(PATH.search(question) for question in questions())


@pytest.mark.parametrize(("path", "name"), answers(), ids=lambda text: text or "exists")
def test_an_answer_is_where_the_document_says(path: str, name: str) -> None:
    place = ROOT / path
    assert place.exists()

    files = [place] if place.is_file() else sorted(place.glob("*.py"))
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    for part in filter(None, name.split(".")):
        assert re.search(DEFINITION.format(name=re.escape(part)), source, re.MULTILINE)


def test_the_table_has_every_room() -> None:
    packages = {
        folder.relative_to(ROOT).as_posix()
        for pattern in ("service", "service/**", "workers", "workers/*", "deploy/*")
        for folder in ROOT.glob(pattern)
        if (folder / "__init__.py").is_file() and len(list(folder.glob("*.py"))) > 1
    }

    assert not {room for room in rooms() if not (ROOT / room).exists()}
    assert not {
        package
        for package in packages
        if not any(room == package or room.startswith(f"{package}/") for room in rooms())
    }


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_files_that_exist(document: str) -> None:
    file = ROOT / document
    text = file.read_text(encoding="utf-8")

    assert not {path for path in PATH.findall(text) if not (ROOT / path).exists()}
    assert not {link for link in LINK.findall(text) if not (file.parent / link).exists()}
