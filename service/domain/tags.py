"""Tags: how Haravan's one string becomes a set, when two spellings are one tag, and what is ours to touch."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


def fold(text: str) -> str:
    """The key by which two spellings are compared: NFC, no outer spaces, case-folded.

    Folding is repeated over NFC because case-folding can leave decomposed characters behind.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).strip().casefold())


@dataclass(frozen=True, slots=True)
class TagSet:
    """A customer's tags in the record's own spelling and order, at most one for each folded key."""

    spelled: Mapping[str, str]  # folded key -> the spelling in the record

    def __contains__(self, tag: str) -> bool:
        return fold(tag) in self.spelled

    def __len__(self) -> int:
        return len(self.spelled)

    def spelling(self, tag: str) -> str | None:
        """The record's own spelling of `tag`: a removal must send exactly that."""
        return self.spelled.get(fold(tag))

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(self.spelled)

    @property
    def listed(self) -> tuple[str, ...]:
        return tuple(self.spelled.values())


def tag_set(tags: Iterable[str]) -> TagSet:
    """Make a set of tags, dropping blanks and second spellings."""
    spelled: dict[str, str] = {}
    for tag in tags:
        trimmed = tag.strip()
        if trimmed:
            spelled.setdefault(fold(trimmed), trimmed)
    return TagSet(spelled)


def split_tags(text: str | None) -> tuple[str, ...]:
    """Split Haravan's comma-joined string; `null` and `""` are no tags (seeds: Customer properties, tags)."""
    return tag_set((text or "").split(",")).listed


def join_tags(tags: Iterable[str]) -> str:
    """Join tags the way the API writes them: by a comma, without a space."""
    return ",".join(tags)


@dataclass(frozen=True, slots=True)
class TagChange:
    """What one customer needs: tags to add as the rules spell them, to remove as the record spells them."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)


def diff(*, current: TagSet, wanted: TagSet, ours: frozenset[str]) -> TagChange:
    """Compare, touching only the tags that are ours to touch (`ours`: folded keys).

    A tag that a person put on by hand is not ours to take off.
    """
    add = tuple(tag for key, tag in wanted.spelled.items() if key not in current.spelled)
    gone = (current.keys & ours) - wanted.keys
    return TagChange(add=add, remove=tuple(tag for key, tag in current.spelled.items() if key in gone))


def after(current: TagSet, change: TagChange) -> TagSet:
    """The tags that the record will have once the change is made."""
    removed = {fold(tag) for tag in change.remove}
    return tag_set([*(tag for key, tag in current.spelled.items() if key not in removed), *change.add])
