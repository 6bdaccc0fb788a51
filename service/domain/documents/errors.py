"""What is wrong with a rules document: each problem with its place, its kind, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import MalformedData

DocumentPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One problem of a document.

    `line` and `column` count from 1; both are 0 when the document did not come as text. `path` leads to
    the rule, group or condition; `part` names the key below it that is wrong ('field', 'op', 'value'), or
    is empty. `kind` is for telling it in another language; `message` is English.
    """

    line: int
    column: int
    path: str
    kind: str
    message: str
    part: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}  " if self.line else ""
        where = f"{self.path}: " if self.path else ""
        return f"{place}{where}{self.message}"


class InvalidRules(MalformedData):
    """A rules document with problems: all of them, in the document's order; the text has one a line."""

    def __init__(self, problems: Iterable[DocumentError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def format_path(path: DocumentPath) -> str:
    """A path as people read it: rules.0.when."""
    return ".".join(map(str, path))
