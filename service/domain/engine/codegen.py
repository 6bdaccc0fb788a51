"""Functions made from Python source: in names of our own only, with what a person wrote bound beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from service.domain.rules import LAST_DAY, next_age_change, next_anniversary, window_boundary

_HELPERS: Final[Mapping[str, object]] = {
    "next_age_change": next_age_change,
    "len": len,
    "window_boundary": window_boundary,
    "never": LAST_DAY + 1,
    "next_anniversary": next_anniversary,
    "tuple": tuple,
}


class FunctionBuilder:
    """A function of a customer's facts under way: its lines, and the values that it knows by name."""

    def __init__(self) -> None:
        self._known: dict[str, object] = {}
        self._lines: list[str] = []

    def bind(self, value: object) -> str:
        """The name under which the function knows a value, which itself never stands in the source."""
        name = f"v{len(self._known)}"
        self._known[name] = value
        return name

    def add_line(self, text: str, *, depth: int = 0) -> None:
        """Add a line inside so many blocks."""
        self._lines.append("    " * depth + text)

    def build(self) -> Any:
        """The function itself."""
        return exec_function("facts", self._lines, {**self._known, **_HELPERS})


def exec_function(parameters: str, lines: Iterable[str], known: Mapping[str, object]) -> Any:
    """Make a function of its lines; `known`: what these name besides. Nothing else is within their reach."""
    text = "\n    ".join((f"def made({parameters}):", *lines))
    space = {"__builtins__": {}, **known}
    exec(compile(text, "<rules>", "exec"), space)  # noqa: S102 - no name and no text of it is an author's
    return space["made"]
