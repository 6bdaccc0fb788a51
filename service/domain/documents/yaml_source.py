"""Safe parsing of YAML into plain data with the position of every value; limits apply before anything is built.

Scalars follow YAML 1.2: yes, no, on, off, dates and 1:30 are texts. A number that starts with 0, such as a phone
number, is a text too. A number with a fraction becomes a Decimal, which keeps it as written.
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
MAX_NESTING: Final = 24  # four groups with their lists, and the levels around them
MAX_ERRORS: Final = 100
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})")
_FRACTION: Final = re.compile(r"-?(?:0|[1-9][0-9_]{0,30})(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,3})?")
_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """Plain data, the positions of its values and keys (line and column from 1), and the errors found."""

    data: object
    values: dict[DocumentPath, tuple[int, int]]
    keys: dict[DocumentPath, tuple[int, int]]
    problems: tuple[DocumentError, ...]


def parse_yaml(text: str) -> SourceDocument:
    """Parse one YAML document. An invalid text does not raise: `problems` holds its errors."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return _refused(
            DocumentError(0, 0, "", "syntax", "the text contains an invalid character (a lone surrogate)")
        )
    if size > MAX_BYTES:
        message = f"the document is larger than {MAX_BYTES // 1024} KiB"
        return _refused(DocumentError(0, 0, "", "too_large", message))
    parser = _EventParser(yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        data = parser.document()
    except _Abort:
        data = None
    except yaml.YAMLError as exc:
        parser.problems.append(_syntax(exc))
        data = None
    return SourceDocument(data, parser.values, parser.keys, tuple(parser.problems))


def resolve_scalar(text: str) -> object:
    """Return the value of an unquoted scalar."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _FRACTION.fullmatch(text):
        return Decimal(text.replace("_", ""))
    return text


class _Abort(Exception):
    """Parsing stops here: too many errors, or one that makes the rest meaningless."""


@dataclass(slots=True)
class _EventParser:
    """Builds plain data from the events of a document."""

    events: Iterator[yaml.Event]
    values: dict[DocumentPath, tuple[int, int]] = field(default_factory=dict)
    keys: dict[DocumentPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[DocumentError] = field(default_factory=list)

    def document(self) -> object:
        data: object = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if () in self.values:
                    self.abort(
                        event, (), "syntax", "expected one document, but a second one starts here ('---')"
                    )
                data = self.node(next(self.events), ())
        return data

    def node(self, event: yaml.Event, path: DocumentPath) -> object:
        self.values[path] = _position(event)
        if len(path) > MAX_NESTING:
            self.abort(event, path[:3], "too_deep", "the document is nested too deeply")
        self.refuse_references(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return resolve_scalar(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(path)
        return None  # an alias: refuse_references has refused it

    def sequence(self, path: DocumentPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, (*path, len(items))))
        return items

    def mapping(self, path: DocumentPath) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            if key in mapping:
                self.add_error(event, path, "duplicate_key", f"the key '{key}' appears twice")
            key_path = (*path, key)
            self.keys.setdefault(key_path, _position(event))
            mapping[key] = self.node(next(self.events), key_path)
        return mapping

    def key(self, event: yaml.Event, path: DocumentPath) -> str:
        self.refuse_references(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            self.abort(event, path, "syntax", "a key must be a text")
        return str(getattr(event, "value", ""))[:200]

    def refuse_references(self, event: yaml.Event, path: DocumentPath) -> None:
        if getattr(event, "anchor", None) is not None:
            self.add_error(event, path, "anchor", "anchors (&) and aliases (*) are not allowed")
        if getattr(event, "tag", None) not in {None, "!"}:
            self.add_error(event, path, "yaml_tag", "YAML tags (!) are not allowed; put the text in quotes")

    def add_error(self, event: yaml.Event, path: DocumentPath, kind: str, message: str) -> None:
        self.problems.append(DocumentError(*_position(event), format_path(path), kind, message))
        if len(self.problems) >= MAX_ERRORS:
            raise _Abort

    def abort(self, event: yaml.Event, path: DocumentPath, kind: str, message: str) -> None:
        self.add_error(event, path, kind, message)
        raise _Abort


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


def _syntax(error: yaml.YAMLError) -> DocumentError:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    return DocumentError(line, column, "", "syntax", f"this is not YAML: {reason}")


def _refused(error: DocumentError) -> SourceDocument:
    return SourceDocument(None, {}, {}, (error,))
