"""Tags: how Haravan's one string becomes a set, when two spellings are one tag, and what is ours to touch."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

MAX_CACHED: Final = 65_536


def fold_uncached(text: str) -> str:
    """The key by which two spellings are compared: NFC, no outer spaces, case-folded.

    Folding is repeated over NFC because case-folding can leave decomposed characters behind. Use it for personal
    texts: they are nearly unique, and caching them would only evict tags and places.
    """
    if text.isascii():
        return text.strip().lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


class _Cache(dict[str, str]):
    """Texts and their folded keys. A lookup costs less than a call of an lru_cache."""

    def __missing__(self, text: str) -> str:
        if len(self) >= MAX_CACHED:
            self.clear()
        key = self[text] = fold_uncached(text)
        return key


fold: Final[Callable[[str], str]] = _Cache().__getitem__
"""The same as `fold_uncached`, for tags, places and other texts that come again and again."""


@dataclass(frozen=True, slots=True)
class TagSet:
    """A customer's tags in the record's own spelling and order, at most one for each folded key."""

    by_key: Mapping[str, str]  # folded key -> the spelling in the record

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.by_key)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_key.values())


def tag_set(tags: Iterable[str]) -> TagSet:
    """Make a set of tags, dropping blanks and second spellings."""
    spelled: dict[str, str] = {}
    for tag in tags:
        trimmed = tag.strip()
        if trimmed:
            spelled.setdefault(fold(trimmed), trimmed)
    return TagSet(spelled)


def parse_tags(text: str | None) -> tuple[str, ...]:
    """Split Haravan's comma-joined string; `null` and `""` are no tags (seeds: Customer properties, tags)."""
    return tag_set((text or "").split(",")).names


def format_tags(tags: Iterable[str]) -> str:
    """Join tags the way the API writes them: by a comma, without a space."""
    return ",".join(tags)


@dataclass(frozen=True, slots=True)
class TagChange:
    """What one customer needs: tags to add as the rules spell them, to remove as the record spells them."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def apply_change(current: TagSet, change: TagChange) -> TagSet:
    """The tags that the record will have once the change is made."""
    removed = {fold(tag) for tag in change.remove}
    return tag_set([*(tag for key, tag in current.by_key.items() if key not in removed), *change.add])
