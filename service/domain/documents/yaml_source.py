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

from service.domain.documents.errors import DocumentError, DocumentPath, syntax_error
from service.domain.rules import Message, message

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
        return _refused(syntax_error(0, 0, "surrogate"))
    if size > MAX_BYTES:
        return _refused(DocumentError(0, 0, (), "too_large", message("too_large", limit=MAX_BYTES // 1024)))
    parser = _EventParser(yaml.parse(text, Loader=yaml.CSafeLoader))
    try:
        data = parser.document()
    except _Abort:
        data = None
    except yaml.YAMLError as exc:
        parser.problems.append(_describe_syntax(exc, text))
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
                    self.abort(event, (), "syntax", message("second_document"))
                data = self.node(next(self.events), ())
        return data

    def node(self, event: yaml.Event, path: DocumentPath) -> object:
        self.values[path] = _position(event)
        if len(path) > MAX_NESTING:
            self.abort(event, path[:3], "too_deep", message("nested_too_deep"))
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
                self.add_error(event, path, "duplicate_key", message("duplicate_key", name=key[:80]))
            key_path = (*path, key)
            self.keys.setdefault(key_path, _position(event))
            mapping[key] = self.node(next(self.events), key_path)
        return mapping

    def key(self, event: yaml.Event, path: DocumentPath) -> str:
        self.refuse_references(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            self.abort(event, path, "syntax", message("key_text"))
        return str(getattr(event, "value", ""))[:200]

    def refuse_references(self, event: yaml.Event, path: DocumentPath) -> None:
        if getattr(event, "anchor", None) is not None:
            self.add_error(event, path, "anchor", message("anchor"))
        if getattr(event, "tag", None) not in {None, "!"}:
            self.add_error(event, path, "yaml_tag", message("yaml_tag"))

    def add_error(self, event: yaml.Event, path: DocumentPath, kind: str, text: Message) -> None:
        self.problems.append(DocumentError(*_position(event), path, kind, text))
        if len(self.problems) >= MAX_ERRORS:
            raise _Abort

    def abort(self, event: yaml.Event, path: DocumentPath, kind: str, text: Message) -> None:
        self.add_error(event, path, kind, text)
        raise _Abort


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


# What libyaml says -> the key of our message. It says nothing else that an author could use.
_SYNTAX: Final[tuple[tuple[str, str], ...]] = (
    ("mapping values are not allowed", "yaml.colon"),
    ("could not find expected ':'", "yaml.no_colon"),
    ("did not find expected ',' or", "yaml.bracket"),
    ("did not find expected node content", "yaml.bracket"),
    ("unexpected end of stream", "yaml.quote"),
    ("unexpected document indicator", "yaml.quote"),
    ("unknown escape character", "yaml.escape"),
    ("did not find expected hexdecimal number", "yaml.escape"),
    ("did not find expected key", "yaml.indentation"),
    ("did not find expected '-' indicator", "yaml.indentation"),
    ("block sequence entries are not allowed", "yaml.indentation"),
    ("cannot start any token", "yaml.token"),
    ("control characters are not allowed", "yaml.control"),
    ("special characters are not allowed", "yaml.control"),
)
_TAB: Final = re.compile(r"[ -]*\t")  # before the first word of a line
_UNPRINTABLE: Final = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _describe_syntax(error: yaml.YAMLError, text: str) -> DocumentError:
    """Say what is wrong where YAML cannot be parsed. YAML itself stops at the first error."""
    mark = getattr(error, "problem_mark", None)
    reason = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    if mark is None:
        position = _position_of(text, _UNPRINTABLE)
        return syntax_error(*position, "yaml.control") if position else syntax_error(0, 0, "yaml.unknown")
    line, column = mark.line + 1, mark.column + 1
    lines = text.splitlines()
    for number in (line, line - 1):  # a wrong indentation is often noticed on the line after it
        if 0 < number <= len(lines) and (tab := _TAB.match(lines[number - 1])):
            return syntax_error(number, tab.end(), "yaml.tab")
    key = next((key for said, key in _SYNTAX if said in reason), "yaml.unknown")
    if key == "yaml.token":
        return syntax_error(
            line, column, key, character=lines[line - 1][column - 1 : column] if line <= len(lines) else ""
        )
    return syntax_error(line, column, key)


def _position_of(text: str, pattern: re.Pattern[str]) -> tuple[int, int] | None:
    found = pattern.search(text)
    if found is None:
        return None
    before = text[: found.start()]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _refused(error: DocumentError) -> SourceDocument:
    return SourceDocument(None, {}, {}, (error,))
