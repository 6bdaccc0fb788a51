"""Rooms: every package is a subject with a face, holds few modules, and is entered only through its face."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ("service", "workers", "deploy")
MAX_MODULES = 9
UNCOUNTED = {"__init__.py", "__main__.py"}
UNBOUNDED = {"deploy/cli/commands"}  # a module for each group of commands
# Packages that are no rooms but hold rooms: their modules are imported by name.
HALLS = {"service", "service.web", "service.store", "service.domain", "workers", "deploy"}


class Import(NamedTuple):
    """`from module import name` in a file."""

    path: Path
    line: int
    module: str
    name: str


def _packages() -> list[str]:
    found = {path.parent for program in PROGRAMS for path in (ROOT / program).rglob("__init__.py")}
    return sorted(str(folder.relative_to(ROOT)) for folder in found)


PACKAGES = _packages()
DOTTED = {package.replace("/", ".") for package in PACKAGES}


def _room(module: str) -> str:
    """The package that a module stands in; a package stands in itself."""
    return module if module in DOTTED else module.rpartition(".")[0]


def _imports() -> Iterator[Import]:
    for program in PROGRAMS:
        for path in sorted((ROOT / program).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    for alias in node.names:
                        yield Import(path, node.lineno, node.module, alias.name)


def _face(package: str) -> set[str] | None:
    """The names in `__all__`, None if the package has none."""
    for node in ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return set(ast.literal_eval(node.value))  # type: ignore[attr-defined]  # an assignment has a value
    return None


@pytest.mark.parametrize("package", [package for package in PACKAGES if package not in UNBOUNDED])
def test_a_room_holds_nine_modules_at_most(package: str) -> None:
    modules = [path.name for path in (ROOT / package).glob("*.py") if path.name not in UNCOUNTED]

    assert len(modules) <= MAX_MODULES, sorted(modules)


@pytest.mark.parametrize("package", [each for each in PACKAGES if each.replace("/", ".") not in HALLS])
def test_a_room_says_what_it_is_for(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")))

    assert docstring
    assert len(docstring.split()) >= 5


def test_a_room_of_service_and_workers_is_entered_through_its_face() -> None:
    around = [
        f"{each.path.relative_to(ROOT)}:{each.line} from {each.module} import {each.name}"
        for each in _imports()
        if each.module.split(".")[0] in ("service", "workers")
        and (room := _room(each.module)) not in HALLS
        and room != each.module
        and not _is_inside(each.path, room)
    ]

    assert not around


def test_what_others_import_from_a_room_is_in_its_face() -> None:
    missing = {
        f"{each.module}.{each.name}"
        for each in _imports()
        if each.module in DOTTED
        and (face := _face(each.module.replace(".", "/"))) is not None
        and each.name not in face
        and not _is_inside(each.path, each.module)
    }

    assert not missing


def _is_inside(path: Path, room: str) -> bool:
    return path.is_relative_to(ROOT / room.replace(".", "/"))
