"""A tag of ours that people revert again and again: the third time within a day we stop writing it for a day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from service.domain.decisions import Codec

REVERT_WINDOW_MS: Final = 24 * 3_600_000
MAX_REVERTS: Final = 3

RevertHistory = Mapping[str, tuple[int, ...]]  # folded tag -> when it was reverted, ms

REVERTS_CODEC: Final[Codec[tuple[int, ...]]] = Codec(tuple[int, ...])


def record_reverts(history: RevertHistory, reverted: Mapping[str, int], *, now_ms: int) -> RevertHistory:
    """Add the moments at which these (folded) tags were reverted; what is older than a day is dropped."""
    recent = {
        tag: tuple(at for at in moments if now_ms - at < REVERT_WINDOW_MS) for tag, moments in history.items()
    }
    for tag, at in reverted.items():
        recent[tag] = (*recent.get(tag, ()), at)[-MAX_REVERTS:]
    return {tag: moments for tag, moments in recent.items() if moments}


def suppressed_tags(history: RevertHistory, *, now_ms: int) -> frozenset[str]:
    """The folded tags that must not be written now."""
    return frozenset(
        tag
        for tag, moments in history.items()
        if sum(now_ms - at < REVERT_WINDOW_MS for at in moments) >= MAX_REVERTS
    )
