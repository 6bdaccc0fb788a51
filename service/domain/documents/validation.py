"""From pydantic's errors to problems: our own words, the author's path, the line and column."""

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
)
from service.domain.rules.scalars import did_you_mean

_LIST_NAMES: Final = {
    "rules": "rules",
    "tiers": "tiers",
    "levels": "levels",
    "all": "conditions",
    "any": "conditions",
}


def to_document_errors(
    error: ValidationError | None, inconsistencies: Iterable[Inconsistency], document: SourceDocument
) -> list[DocumentError]:
    """All problems of a document, each told once, in the document's order."""
    details = error.errors(include_url=False, include_input=False) if error is not None else []
    paths = [_path(one) for one in details]
    # An item that is wrong itself is no reason to say that its list is too short.
    inside = {path[:size] for path in paths for size in range(len(path))}
    found = [
        _problem(one, path, document)
        for one, path in zip(details, paths, strict=True)
        if not (one["type"] == "too_short" and path in inside)
    ]
    found += [_place(one.path, one.part, one.kind, one.message, document) for one in inconsistencies]
    return list(dict.fromkeys(found))


def _path(error: ErrorDetails) -> DocumentPath:
    """The place in the document: without the names of the models that were tried. A key that nobody knows may look like one."""
    loc, last = error["loc"], len(error["loc"]) - 1
    own = last if error["type"] == "extra_forbidden" else None
    return tuple(
        step for at, step in enumerate(loc) if at == own or not (isinstance(step, str) and step[:1] == "<")
    )


def _problem(error: ErrorDetails, path: DocumentPath, document: SourceDocument) -> DocumentError:
    context = error.get("ctx") or {}
    if "message" in context:
        return _place(path, str(context.get("at", "")), error["type"], str(context["message"]), document)
    tell = _TOLD.get(error["type"])
    if tell is None:
        return _place(path, "", "bad_value", error["msg"], document)
    kind, owner, part, message = tell(error, path)
    return _place(owner, part, kind, message, document)


def _place(path: DocumentPath, part: str, kind: str, message: str, document: SourceDocument) -> DocumentError:
    """Find the line: of the key itself for an unknown key, else of the part, else of what is around it."""
    places = document.keys if kind == "unknown_key" else document.values
    full = (*path, part) if part else path
    while full not in places and full:
        full, places = full[:-1], document.values
    line, column = places.get(full, (0, 0))
    return DocumentError(line, column, format_path(path), kind, message, part)


_Told = tuple[str, DocumentPath, str, str]


def _missing(_: ErrorDetails, path: DocumentPath) -> _Told:
    return "missing", path[:-1], "", f"'{path[-1]}' is missing"


def _unknown_key(error: ErrorDetails, path: DocumentPath) -> _Told:
    key = str(path[-1])
    near = did_you_mean(key, _known_keys(error["loc"][:-1], path[:-1]))
    return "unknown_key", path, "", f"unknown key '{key[:80]}'{near}"


def _literal(error: ErrorDetails, path: DocumentPath) -> _Told:
    return "bad_value", path, "", f"expected {error.get('ctx', {}).get('expected', 'another value')}"


def _too_short(_: ErrorDetails, path: DocumentPath) -> _Told:
    key = str(path[-1])
    return "too_few", path, "", f"'{key}' needs at least one of its {_LIST_NAMES.get(key, 'values')}"


def _too_long(error: ErrorDetails, path: DocumentPath) -> _Told:
    key, context = str(path[-1]), error.get("ctx") or {}
    most, actual = context.get("max_length"), context.get("actual_length")
    return (
        "too_many",
        path,
        "",
        f"at most {most} {_LIST_NAMES.get(key, 'values')} are allowed, here are {actual}",
    )


def _expected(what: str) -> Callable[[ErrorDetails, DocumentPath], _Told]:
    return lambda _, path: ("bad_value", path, "", f"expected {what}")


_TOLD: Final[Mapping[str, Callable[[ErrorDetails, DocumentPath], _Told]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "literal_error": _literal,
    "too_short": _too_short,
    "too_long": _too_long,
    "bool_type": _expected("true or false"),
    "tuple_type": _expected("a list"),
    "model_type": _expected("keys and values"),
    "model_attributes_type": _expected("keys and values"),
    "bad_condition": lambda error, path: ("bad_condition", path, "", error["msg"]),
}


def _known_keys(loc: tuple[int | str, ...], path: DocumentPath) -> list[str]:
    """The keys that the model at a place has."""
    return [field.alias or name for name, field in _model(loc, path).model_fields.items()]


def _model(loc: tuple[int | str, ...], path: DocumentPath) -> type[BaseModel]:
    shapes: Mapping[str, type[BaseModel]] = {"<all>": AllOf, "<any>": AnyOf, "<not>": Not}
    last = loc[-1] if loc else ""
    if isinstance(last, str) and last[:1] == "<":
        return shapes.get(last, Condition)
    steps: Mapping[object, type[BaseModel]] = {
        "name": LocalizedName,
        "downgrade": DowngradeAfter,
        "levels": TierLevel,
    }
    by_list: Mapping[object, type[BaseModel]] = {"rules": Rule, "tiers": Tier, "levels": TierLevel}
    if not path:
        return RuleSet
    return by_list[path[-2]] if isinstance(path[-1], int) else steps.get(path[-1], RuleSet)
