"""Conversion of pydantic's errors into document errors: our own messages, the author's path, line and column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.domain.documents.consistency import Inconsistency
from service.domain.documents.errors import DocumentError, DocumentPath, format_path
from service.domain.documents.yaml_source import SourceDocument
from service.domain.rules import (
    AllOf,
    AnyOf,
    Condition,
    DowngradeAfter,
    LocalizedName,
    Not,
    Rule,
    RuleSet,
    Tier,
    TierLevel,
    did_you_mean,
)

_ITEM_NAMES: Final = {
    "rules": "rule",
    "tiers": "tier",
    "levels": "level",
    "all": "condition",
    "any": "condition",
}


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
    if "message" in context:
        return _locate(path, str(context.get("at", "")), error["type"], str(context["message"]), document)
    describe = _DESCRIPTIONS.get(error["type"])
    if describe is None:
        return _locate(path, "", "bad_value", error["msg"], document)
    kind, error_path, message = describe(error, path)
    return _locate(error_path, "", kind, message, document)


def _locate(
    path: DocumentPath, part: str, kind: str, message: str, document: SourceDocument
) -> DocumentError:
    """Create an error at the position of an unknown key, else of the part's value, else of the nearest parent."""
    positions = document.keys if kind == "unknown_key" else document.values
    full_path = (*path, part) if part else path
    while full_path not in positions and full_path:
        full_path, positions = full_path[:-1], document.values
    line, column = positions.get(full_path, (0, 0))
    return DocumentError(line, column, format_path(path), kind, message, part)


_Description = tuple[str, DocumentPath, str]  # kind, path, message


def _missing(_: ErrorDetails, path: DocumentPath) -> _Description:
    return "missing", path[:-1], f"'{path[-1]}' is missing"


def _unknown_key(error: ErrorDetails, path: DocumentPath) -> _Description:
    key = str(path[-1])
    suggestion = did_you_mean(key, _known_keys(error["loc"][:-1], path[:-1]))
    return "unknown_key", path, f"unknown key '{key[:80]}'{suggestion}"


def _literal(error: ErrorDetails, path: DocumentPath) -> _Description:
    return "bad_value", path, f"expected {error.get('ctx', {}).get('expected', 'another value')}"


def _too_short(_: ErrorDetails, path: DocumentPath) -> _Description:
    key = str(path[-1])
    return "too_few", path, f"'{key}' needs at least one {_ITEM_NAMES.get(key, 'value')}"


def _too_long(error: ErrorDetails, path: DocumentPath) -> _Description:
    key, context = str(path[-1]), error.get("ctx") or {}
    limit, actual = context.get("max_length"), context.get("actual_length")
    return "too_many", path, f"at most {limit} {_ITEM_NAMES.get(key, 'value')}s are allowed, got {actual}"


def _expected(expected: str) -> Callable[[ErrorDetails, DocumentPath], _Description]:
    return lambda _, path: ("bad_value", path, f"expected {expected}")


_DESCRIPTIONS: Final[Mapping[str, Callable[[ErrorDetails, DocumentPath], _Description]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _literal,
    "too_short": _too_short,
    "too_long": _too_long,
    "bool_type": _expected("true or false"),
    "tuple_type": _expected("a list"),
    "model_type": _expected("a mapping (keys and values)"),
    "model_attributes_type": _expected("a mapping (keys and values)"),
    "bad_condition": lambda error, path: ("bad_condition", path, error["msg"]),
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
