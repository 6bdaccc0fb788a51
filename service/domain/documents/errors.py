"""Errors of a rule document: where each error is, what kind it is, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from service.domain.rules import Message, message
from service.errors import MalformedData
from service.sentence import Words

DocumentPath = tuple[str | int, ...]
_ENTRIES: Final = {"rules": "rule", "tiers": "tier"}
_MAX_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """The rule or tier that an error is in. `number` counts from 1; the names are empty if it has none."""

    kind: str  # rule, tier
    number: int
    vi: str
    en: str

    def name(self, language: str) -> str:
        """The name in a language, else in the other one, else the id."""
        return (self.en or self.vi) if language == "en" else (self.vi or self.en)


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One error of a document.

    `line` and `column` count from 1; both are 0 if the document was not a text. `path` leads to the rule, group or
    condition, for programs: its numbers count from 0. `part` names the wrong key below it ('field', 'op', 'value'),
    or is empty. `kind` is a stable name for programs. `entry` is None outside of rules and tiers.
    """

    line: int
    column: int
    path: DocumentPath
    kind: str
    message: Message
    part: str = ""
    entry: Entry | None = None

    def text(self, words: Words) -> str:
        """One line for people: line and column, the rule, what is wrong, and what to write instead."""
        place = [words("error.position", line=self.line, column=self.column)] if self.line else []
        rest: tuple[str | int, ...] = self.path
        if self.entry is not None:
            name = self.entry.name(words.language)
            key = f"error.entry.{self.entry.kind}" + ("" if name else ".unnamed")
            place.append(words(key, number=self.entry.number, name=name))
            rest = rest[2:]
        if rest and not self.line:
            place.append(" › ".join(f"#{step + 1}" if isinstance(step, int) else step for step in rest))
        return ": ".join([*place, self.message.text(words)])

    def to_dict(self, words: Words) -> dict[str, object]:
        """Plain data, for JSON."""
        return {
            "line": self.line,
            "column": self.column,
            "path": format_path(self.path),
            "kind": self.kind,
            "rule": self.entry.name(words.language) if self.entry is not None else "",
            "message": self.message.text(words),
            "part": self.part,
        }

    def __str__(self) -> str:
        """For logs: position, path and key."""
        return f"{self.line}:{self.column} {format_path(self.path)} {self.message}"


class InvalidRules(MalformedData):
    """An invalid rule document. `problems` holds all errors in document order. Show people `text`."""

    def __init__(self, problems: Iterable[DocumentError]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        super().__init__("\n".join(map(str, self.problems)))

    def text(self, words: Words) -> str:
        """All errors for people, one a line."""
        return "\n".join(problem.text(words) for problem in self.problems)


def syntax_error(line: int, column: int, key: str, **params: str | int) -> DocumentError:
    """An error of the text itself, outside of any rule."""
    return DocumentError(line, column, (), "syntax", message(key, **params))


def find_entry(path: DocumentPath, data: object) -> Entry | None:
    """Return the rule or tier of a path, with the name that its author gave it, or else its id."""
    if len(path) < 2 or path[0] not in _ENTRIES or not isinstance(path[1], int):
        return None
    entries = data.get(path[0]) if isinstance(data, dict) else None
    found = entries[path[1]] if isinstance(entries, list) and path[1] < len(entries) else None
    entry: Mapping[object, object] = found if isinstance(found, dict) else {}
    name, rule_id = entry.get("name"), _text(entry.get("id"))
    vi, en = (name.get("vi"), name.get("en")) if isinstance(name, dict) else (name, name)
    return Entry(
        _ENTRIES[str(path[0])],
        path[1] + 1,
        _text(vi) or _text(en) or rule_id,
        _text(en) or _text(vi) or rule_id,
    )


def format_path(path: DocumentPath) -> str:
    """Format a path for programs: rules.0.when."""
    return ".".join(map(str, path))


def _text(value: object) -> str:
    return " ".join(value.split())[:_MAX_NAME] if isinstance(value, str) else ""
