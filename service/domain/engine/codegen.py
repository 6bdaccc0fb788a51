"""Functions compiled from generated Python source.

The source contains only names of ours. What a person wrote in a rule is bound as a value, never pasted into the text.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """Collects the lines of a generated function of one parameter, `facts`, and the values that they name."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self._lines: list[str] = []

    def bind(self, value: object) -> str:
        """Return a new name for a value. The source contains the name, never the value."""
        name = f"v{len(self._values)}"
        self._values[name] = value
        return name

    def add_line(self, text: str, *, depth: int = 0) -> None:
        """Add a line, indented by `depth` blocks."""
        self._lines.append("    " * depth + text)

    def build(self) -> Any:
        """Compile the lines. The function reaches its bound values and the helpers, and no builtins."""
        text = "\n    ".join(("def generated(facts):", *self._lines))
        namespace: dict[str, Any] = {"__builtins__": {}, **self._values, **_HELPERS}
        exec(compile(text, "<rules>", "exec"), namespace)  # noqa: S102 - contains no text of an author
        return namespace["generated"]
