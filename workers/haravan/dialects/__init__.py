"""The two documented APIs as two classes with the same calls."""

from __future__ import annotations

from typing import Final

from service.store.shops import Dialect as DialectName
from workers.haravan.dialects.admin import Admin
from workers.haravan.dialects.base import PAGE_SIZE
from workers.haravan.dialects.omni import Omni

Dialect = Omni | Admin

__all__ = ["PAGE_SIZE", "Admin", "Dialect", "DialectName", "Omni", "make_dialect"]

_DIALECTS: Final[dict[DialectName, type[Dialect]]] = {"omni": Omni, "admin": Admin}


def make_dialect(name: DialectName) -> Dialect:
    """The dialect of a shop."""
    return _DIALECTS[name]()
