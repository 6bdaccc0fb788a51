"""The two API documents as two classes with the same calls."""

from __future__ import annotations

from typing import Final, Literal

from workers.haravan.dialects.admin import Admin
from workers.haravan.dialects.omni import Omni

Name = Literal["omni", "admin"]
Dialect = Omni | Admin

_DIALECTS: Final[dict[Name, type[Dialect]]] = {"omni": Omni, "admin": Admin}


def speak(name: Name) -> Dialect:
    """The dialect of a shop."""
    return _DIALECTS[name]()
