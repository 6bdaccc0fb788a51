"""YAML read safely: plain data and the place of everything in it, refused before it can grow or hang.

Scalars are read as in YAML 1.2: yes, no, on, off, dates and 1:30 stay texts. A number that starts with 0
stays a text too (a phone), a number with a fraction becomes a Decimal, so that it is kept as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

import yaml

from service.domain.documents.errors import DocumentError, DocumentPath, format_path

MAX_BYTES: Final = 256 * 1024
MAX_NESTING: Final = 24  # four groups, their lists, and what is around them
MAX_ERRORS: Final = 100
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})")
_FRACTION: Final = re.compile(r"-?(?:0|[1-9][0-9_]{0,30})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """Plain data, where each value and each key stands (line and column from 1), and what was refused."""

    data: object
    values: dict[DocumentPath, tuple[int, int]]
    keys: dict[DocumentPath, tuple[int, int]]
    problems: tuple[DocumentError, ...]


def parse_yaml(text: str) -> SourceDocument:
    """Read one YAML document; never raises for a bad text, the problems say what was wrong."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return _refused(
            DocumentError(0, 0, "", "syntax", "the text has half a character in it (a lone surrogate)")
        )
    if size > MAX_BYTES:
        message = f"the document is larger than {MAX_BYTES // 1024} KiB"
        return _refused(DocumentError(0, 0, "", "too_large", message))
    walk = _Walk(yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        data = walk.document()
    except _Stop:
        data = None
    except yaml.YAMLError as exc:
        walk.problems.append(_syntax(exc))
        data = None
    return SourceDocument(data, walk.values, walk.keys, tuple(walk.problems))


def resolve_scalar(text: str) -> object:
    """What a plain (unquoted) scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _FRACTION.fullmatch(text):
        return Decimal(text.replace("_", ""))
    return text


class _Stop(Exception):
    """The document is not worth reading on."""


@dataclass(slots=True)
class _Walk:
    """One pass over the events of a document."""

    events: Iterator[yaml.Event]
    values: dict[DocumentPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[DocumentPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[DocumentError] = field(default_factory=list)

    def document(self) -> object:
        data: object = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if () in self.values:
                    self.stop(event, (), "syntax", "only one document is expected (a second '---')")
                data = self.node(next(self.events), ())
        return data

    def node(self, event: yaml.Event, path: DocumentPath) -> object:
        self.values[path] = _place(event)
        if len(path) > MAX_NESTING:
            self.stop(event, path[:3], "too_deep", "the document is nested too deeply")
        self.refuse_references(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return resolve_scalar(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        return None  # an alias, already refused

    def sequence(self, path: DocumentPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: DocumentPath) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            if key in found:
                self.problem(event, path, "duplicate_key", f"'{key}' is written twice")
            here = (*path, key)
            self.keys.setdefault(here, _place(event))
            found[key] = self.node(next(self.events), here)
        return found

    def key(self, event: yaml.Event, path: DocumentPath) -> str:
        self.refuse_references(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            self.stop(event, path, "syntax", "a key must be a plain word")
        return str(getattr(event, "value", ""))[:200]

    def refuse_references(self, event: yaml.Event, path: DocumentPath) -> None:
        if getattr(event, "anchor", None) is not None:
            self.problem(event, path, "anchor", "anchors (&) and aliases (*) are not allowed")
        if getattr(event, "tag", None) not in {None, "!"}:
            self.problem(event, path, "yaml_tag", "YAML tags (!) are not allowed; put the text in quotes")

    def problem(self, event: yaml.Event, path: DocumentPath, kind: str, message: str) -> None:
        self.problems.append(DocumentError(*_place(event), format_path(path), kind, message))
        if len(self.problems) >= MAX_ERRORS:
            raise _Stop

    def stop(self, event: yaml.Event, path: DocumentPath, kind: str, message: str) -> None:
        self.problem(event, path, kind, message)
        raise _Stop


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


def _syntax(error: yaml.YAMLError) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return DocumentError(line, column, "", "syntax", f"this is not YAML: {reason}")


def _refused(problem: DocumentError) -> SourceDocument:
    return SourceDocument(None, {}, {}, (problem,))
