"""Conversion of pydantic's errors into document errors: our own messages, the author's path, line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.domain.documents.consistency import Inconsistency
from service.domain.documents.errors import DocumentError, DocumentPath, find_entry
from service.domain.documents.yaml_source import SourceDocument
from service.domain.rules import (
    AllOf,
    AnyOf,
    Condition,
    DowngradeAfter,
    LocalizedName,
    Message,
    Not,
    Rule,
    RuleSet,
    Tier,
    TierLevel,
    did_you_mean,
    message,
)

_ALTERNATIVE: Final = re.compile(r"'[^']*'|\d+")  # in pydantic's list of the allowed values


def to_document_errors(
    error: ValidationError | None, inconsistencies: Iterable[Inconsistency], document: SourceDocument
) -> list[DocumentError]:
    """Return all errors of a document without duplicates."""
    details = error.errors(include_url=False, include_input=False) if error is not None else []
    paths = [_document_path(detail) for detail in details]
    # If an item of a list is invalid, pydantic also reports that the list is too short. That is no help.
    parents = {path[:size] for path in paths for size in range(len(path))}
    errors = [
        _to_error(detail, path, document)
        for detail, path in zip(details, paths, strict=True)
        if not (detail["type"] == "too_short" and path in parents)
    ]
    errors += [
        _locate(problem.path, problem.part, problem.kind, problem.message, document)
        for problem in inconsistencies
    ]
    return list(dict.fromkeys(errors))


def _document_path(error: ErrorDetails) -> DocumentPath:
    """Return pydantic's location without the tags of union members, such as `<all>`.

    The last step of an unknown key is the author's key, even if it looks like a tag.
    """
    loc, last = error["loc"], len(error["loc"]) - 1
    unknown_key = last if error["type"] == "extra_forbidden" else None
    return tuple(
        step
        for index, step in enumerate(loc)
        if index == unknown_key or not (isinstance(step, str) and step[:1] == "<")
    )


def _to_error(error: ErrorDetails, path: DocumentPath, document: SourceDocument) -> DocumentError:
    context = error.get("ctx") or {}
    text = context.get("message")
    if isinstance(text, Message):
        return _locate(path, str(context.get("at", "")), error["type"], text, document)
    describe = _DESCRIPTIONS.get(error["type"])
    if describe is None:
        return _locate(path, "", "bad_value", message("invalid"), document)
    kind, error_path, text = describe(error, path)
    return _locate(error_path, "", kind, text, document)


def _locate(
    path: DocumentPath, part: str, kind: str, text: Message, document: SourceDocument
) -> DocumentError:
    """Create an error at the position of an unknown key, else of the part's value, else of the nearest parent."""
    positions = document.keys if kind == "unknown_key" else document.values
    full_path = (*path, part) if part else path
    while full_path not in positions and full_path:
        full_path, positions = full_path[:-1], document.values
    line, column = positions.get(full_path, (0, 0))
    return DocumentError(line, column, path, kind, text, part, find_entry(path, document.data))


_Description = tuple[str, DocumentPath, Message]  # kind, path, message


def _missing(_: ErrorDetails, path: DocumentPath) -> _Description:
    return "missing", path[:-1], message("missing", name=str(path[-1]))


def _unknown_key(error: ErrorDetails, path: DocumentPath) -> _Description:
    key = str(path[-1])
    hint = did_you_mean(key, _known_keys(error["loc"][:-1], path[:-1]))
    return "unknown_key", path, message("unknown_key", name=key[:80], hint=hint)


def _literal(error: ErrorDetails, path: DocumentPath) -> _Description:
    allowed = _ALTERNATIVE.findall(str((error.get("ctx") or {}).get("expected", "")))
    return "bad_value", path, message("one_of", values=", ".join(allowed))


def _too_short(_: ErrorDetails, path: DocumentPath) -> _Description:
    return "too_few", path, message("too_few", name=str(path[-1]))


def _too_long(error: ErrorDetails, path: DocumentPath) -> _Description:
    context = error.get("ctx") or {}
    limit, count = int(context.get("max_length", 0)), int(context.get("actual_length") or 0)
    return "too_many", path, message("too_many", name=str(path[-1]), limit=limit, count=count)


def _expected(key: str) -> Callable[[ErrorDetails, DocumentPath], _Description]:
    return lambda _, path: ("bad_value", path, message(key))


_DESCRIPTIONS: Final[Mapping[str, Callable[[ErrorDetails, DocumentPath], _Description]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _literal,
    "too_short": _too_short,
    "too_long": _too_long,
    "bool_type": _expected("boolean"),
    "tuple_type": _expected("expected_list"),
    "model_type": _expected("mapping"),
    "model_attributes_type": _expected("mapping"),
    "invalid_key": _expected("key_text"),
    "recursion_loop": _expected("nested_too_deep"),
    "bad_condition": lambda _, path: ("bad_condition", path, message("condition")),
}


def _known_keys(loc: tuple[int | str, ...], path: DocumentPath) -> list[str]:
    """Return the keys of the model at a path."""
    return [field.alias or name for name, field in _model_at(loc, path).model_fields.items()]


def _model_at(loc: tuple[int | str, ...], path: DocumentPath) -> type[BaseModel]:
    nodes: Mapping[str, type[BaseModel]] = {"<all>": AllOf, "<any>": AnyOf, "<not>": Not}
    last = loc[-1] if loc else ""
    if isinstance(last, str) and last[:1] == "<":
        return nodes.get(last, Condition)
    by_key: Mapping[object, type[BaseModel]] = {
        "name": LocalizedName,
        "downgrade": DowngradeAfter,
        "levels": TierLevel,
    }
    by_list: Mapping[object, type[BaseModel]] = {"rules": Rule, "tiers": Tier, "levels": TierLevel}
    if not path:
        return RuleSet
    return by_list[path[-2]] if isinstance(path[-1], int) else by_key.get(path[-1], RuleSet)
