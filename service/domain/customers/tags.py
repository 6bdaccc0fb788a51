"""Tags: parsing and joining Haravan's string of tags, folding spellings, and changes to a set of tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from service.domain.customers.normalize import nfc

MAX_TAG: Final = 255  # characters of a tag in a record
MAX_CACHED: Final = 65_536


def fold_uncached(text: str) -> str:
    """Return the key by which spellings are compared: NFC, no outer spaces, case-folded.

    NFC is applied twice, because case-folding can leave decomposed characters behind. Use this function for personal
    texts: they are nearly unique, and caching them would only evict tags and places.
    """
    if text.isascii():
        return text.strip().lower()
    return nfc(nfc(text).strip().casefold())


class _Cache(dict[str, str]):
    """Folded keys by text. A dict lookup costs less than a call of an lru_cache."""

    def __missing__(self, text: str) -> str:
        key = fold_uncached(text)
        if len(text) <= MAX_TAG:
            if len(self) >= MAX_CACHED:
                self.clear()
            self[text] = key
        return key


fold: Final[Callable[[str], str]] = _Cache().__getitem__
"""Cached `fold_uncached`, for tags, places and other texts that repeat."""


@dataclass(frozen=True, slots=True)
class TagSet:
    """A customer's tags in the spelling and order of the record, one for each folded key."""

    by_key: Mapping[str, str]  # folded key -> the spelling in the record

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.by_key)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_key.values())


def tag_set(tags: Iterable[str]) -> TagSet:
    """Build a set of tags without blanks. The first spelling of a tag wins."""
    by_key: dict[str, str] = {}
    for tag in tags:
        trimmed = tag.strip()
        if trimmed:
            by_key.setdefault(fold(trimmed), trimmed)
    return TagSet(by_key)


def parse_tags(text: str | None) -> tuple[str, ...]:
    """Split Haravan's comma-joined string; None and `""` mean no tags (seeds: Customer properties, tags)."""
    return tag_set((text or "").split(",")).names


def format_tags(tags: Iterable[str]) -> str:
    """Join tags as the API writes them: by a comma without a space."""
    return ",".join(tags)


@dataclass(frozen=True, slots=True)
class TagChange:
    """Tags to add, in the spelling of the rules, and tags to remove, in the spelling of the record."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def apply_change(current: TagSet, change: TagChange) -> TagSet:
    """Return the tags that the record will have after the change."""
    removed = {fold(tag) for tag in change.remove}
    return tag_set([*(tag for key, tag in current.by_key.items() if key not in removed), *change.add])
