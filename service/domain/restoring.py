"""What a roll-back puts back: the tags that undone versions took, read from what was written and touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from service.domain.standing import Stood
from service.domain.tags import fold
from service.domain.touches import Touches, touched_since

Restores = Mapping[int, Mapping[str, Stood]]  # customer -> folded tag -> how it stood


def together(
    waiting: Mapping[str, Stood], new: Mapping[str, Stood], *, undone: frozenset[int]
) -> dict[str, Stood]:
    """What a customer waits to get back since earlier roll-backs, unless these are undone, and what is new."""
    return {**new, **{key: stood for key, stood in waiting.items() if stood.by not in undone}}


class Deed(NamedTuple):
    """A tag that we added, or removed when it stood as `stood` says."""

    customer: int
    tag: str
    version: int
    at_ms: int
    why: str
    stood: Stood | None = None
    retracted: bool = False  # a person took back what we had given


class Undoing:
    """Told of our deeds since the first undone version, oldest first, it knows what is to be put back.

    The first deed of the undone versions on a tag decides: if they took it, it stood until then as this deed
    says, whatever they did to it later. What a person has touched since, or retracted, stays as it is; and what
    this roll-back (`by`) has put back once is not put back again.
    """

    def __init__(self, *, undone: frozenset[int], by: int) -> None:
        self._undone = undone
        self._by = by
        self._first: dict[tuple[int, str], Deed | None] = {}

    def tell(self, deed: Deed) -> None:
        """One more deed."""
        key = deed.customer, fold(deed.tag)
        done = deed.version == self._by and deed.why == "restored"
        if key in self._first and (done or deed.retracted):
            self._first[key] = None
        elif deed.version in self._undone:
            self._first.setdefault(key, deed if deed.stood is not None and not deed.retracted else None)

    def customers(self) -> list[int]:
        """Whose tags may have to be put back."""
        return [*dict.fromkeys(deed.customer for deed in self._taken())]

    def found(self, touches: Mapping[int, Touches], *, after_ms: int = 0) -> dict[int, dict[str, Stood]]:
        """What is to be put back of what was taken after a moment, given what others did to these customers' tags."""
        found: dict[int, dict[str, Stood]] = {}
        for deed in self._taken():
            touched = touched_since(touches.get(deed.customer, {}), deed.tag, after_ms=deed.at_ms)
            if deed.stood is not None and not touched and deed.at_ms >= after_ms:
                stood = msgspec.structs.replace(deed.stood, by=self._by)
                found.setdefault(deed.customer, {})[fold(deed.tag)] = stood
        return found

    def _taken(self) -> Iterable[Deed]:
        return (deed for deed in self._first.values() if deed is not None)
