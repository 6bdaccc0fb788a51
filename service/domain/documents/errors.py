"""Errors of a rule document: where each error is, what kind it is, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.errors import MalformedData

DocumentPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One error of a document.

    `line` and `column` count from 1; both are 0 if the document was not a text. `path` leads to the rule, group or
    condition. `part` names the wrong key below it ('field', 'op', 'value'), or is empty. `kind` is a stable name for
    programs and translations; `message` is English.
    """

    line: int
    column: int
    path: str
    kind: str
    message: str
    part: str = ""

    def __str__(self) -> str:
        position = f"line {self.line}, column {self.column}  " if self.line else ""
        path = f"{self.path}: " if self.path else ""
        return f"{position}{path}{self.message}"


class InvalidRules(MalformedData):
    """An invalid rule document. `problems` holds all errors in document order; the message has one error per line."""

    def __init__(self, problems: Iterable[DocumentError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))


def format_path(path: DocumentPath) -> str:
    """Format a path for people: rules.0.when."""
    return ".".join(map(str, path))
