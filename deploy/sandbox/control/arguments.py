"""The arguments of a request to the control API: their names and types are checked before anything is done."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from deploy.sandbox.errors import Refused, no_such

Arguments = dict[str, Any]

_WORDS: Final[Mapping[type, str]] = {
    int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null",
}  # fmt: skip


def parse_arguments(body: bytes) -> Arguments:
    """The JSON object of a body; none for an empty one. Raises Refused."""
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body, type=Arguments)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("the body must be a JSON object with the arguments") from None


def bind(command: Callable[..., Any], arguments: Arguments) -> Arguments:
    """The arguments as the command takes them. Raises Refused for an unknown, missing or mistyped one."""
    parameters = inspect.signature(command).parameters
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    if len(named) == len(parameters):  # it takes no other fields
        for name in arguments:
            if name not in named:
                raise Refused(no_such("argument", name, named))
    missing = [name for name, parameter in named.items() if parameter.default is parameter.empty]
    if missing := [name for name in missing if name not in arguments]:
        raise Refused(f"missing: {', '.join(missing)}")
    hints = get_type_hints(command)
    return {
        name: _convert(name, value, hints[name]) if name in named else value
        for name, value in arguments.items()
    }


def set_switches(part: Any, allowed: tuple[str, ...], arguments: Arguments) -> None:
    """Set all of these switches or none. Raises Refused for an unknown name or a value of the wrong type."""
    hints = get_type_hints(type(part))
    known = {field.name for field in fields(part)}
    values = {}
    for name, value in arguments.items():
        if name not in allowed or name not in known:
            raise Refused(no_such("switch", name, allowed))
        values[name] = _convert(name, value, hints[name])
        if isinstance(values[name], int | float) and values[name] < 0:
            raise Refused(f"{name} must not be negative")
    for name, value in values.items():
        setattr(part, name, value)


def positive_parameter(name: str, text: str | None, default: int) -> int:
    """A whole number of the query, at most 10,000. Raises Refused."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) <= 10_000):
        raise Refused(f"{name} must be a whole number from 1 to 10000")
    return int(text)


def _convert(name: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType) and str in get_args(
        hint
    ):  # JSON has no bytes and no decimals: a text stands for them
        hint = Union[tuple(part for part in get_args(hint) if part not in (bytes, Decimal))]  # noqa: UP007
    elif any(get_origin(part) is Iterable for part in (hint, *get_args(hint))):
        hint = tuple[str, ...] | None
    try:
        return msgspec.convert(value, hint)
    except (msgspec.ValidationError, OverflowError):
        raise Refused(f"{name} must be {' or '.join(_in_words(hint))}") from None


def _in_words(hint: Any) -> list[str]:
    """`a whole number`, `null` for `int | None`."""
    if hint in _WORDS:
        return [_WORDS[hint]]
    if get_origin(hint) is Literal:
        return [str(value) for value in get_args(hint)]
    if get_origin(hint) in (tuple, frozenset):
        return ["a list of texts"]
    return [word for part in get_args(hint) for word in _in_words(part)]
