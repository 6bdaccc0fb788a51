"""Of libraries the public face only: no private attribute of a foreign object, no private module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for room in ("service", "workers") for path in (ROOT / room).rglob("*.py"))
OURS = {"service", "workers", "deploy"}
DOCUMENTED = {"_asdict", "_replace", "_fields", "_make", "_exit"}  # of named tuples and of os


def private_uses(source: str) -> list[str]:
    """Line and name of each private attribute of something else than self or cls, and of each private import."""
    tree = ast.parse(source)
    own = {*_own_names(tree), *DOCUMENTED}
    return [f"{line} {name}" for line, name in _private_names(tree) if name.rpartition(".")[2] not in own]


def _own_names(tree: ast.AST) -> Iterator[str]:
    """Private names that this module itself defines: another instance of an own class may be asked for them."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name, ctx=ast.Store()):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name


def _private_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(value=ast.Name(id="self" | "cls"))
                | ast.Attribute(value=ast.Call(func=ast.Name(id="super")))
            ):
                pass
            case ast.Attribute(attr=name) if _is_private(name):
                yield node.lineno, name
            case ast.ImportFrom(module=module, names=names) if module and module.split(".")[0] not in OURS:
                if module != "__future__":
                    dotted = [module, *(f"{module}.{each.name}" for each in names)]
                    yield from ((node.lineno, each) for each in dotted if _has_private_part(each))
            case ast.Import(names=names):
                yield from ((node.lineno, each.name) for each in names if _has_private_part(each.name))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def _has_private_part(dotted: str) -> bool:
    return any(_is_private(part) for part in dotted.split("."))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_public_faces_are_used(path: Path) -> None:
    assert private_uses(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("connection._reader = None", ["1 _reader"]),
        ("self.parser._state", ["1 _state"]),
        ("from redis._parsers import BaseParser", ["1 redis._parsers", "1 redis._parsers.BaseParser"]),
        ("import uvicorn._types", ["1 uvicorn._types"]),
        ("from x import _y", ["1 x._y"]),
        (
            "class A:\n    def __init__(self):\n        self._a = 1\n    def f(self, other):\n        return other._a",
            [],
        ),
        ("self._x = super()._x", []),
        ("a.__class__.__name__", []),
        ("from __future__ import annotations", []),
    ],
)
def test_it_would_find_one(source: str, found: list[str]) -> None:
    assert private_uses(source) == found
