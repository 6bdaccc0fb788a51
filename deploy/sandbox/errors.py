"""What the sandbox refuses, in words for the person who asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class Refused(ValueError):
    """What was asked for cannot be done. The message says why, and what is possible."""


class NotFound(Refused):
    """There is no such shop, customer or command."""


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """`no endpoint POST tag; did you mean POST tags? There are …`, for a name that is not among the known ones."""
    names = list(known)
    near = get_close_matches(name, names, n=2)
    guess = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no {kind} {name}; {guess}There are {', '.join(names) or 'none'}"


class ValidationError(Exception):
    """The API rejects the request with `status` and `errors`."""

    def __init__(self, errors: dict[str, list[str]] | str, *, status: int = 422) -> None:
        super().__init__(errors)
        self.errors = errors
        self.status = status
