"""An app that may have been uninstalled: when to ask Haravan, and what follows from being refused. Decisions only.

Only a webhook's body is signed, its topic is not: `app/uninstalled` is a hint. What counts is that Haravan refuses the
shop's token, twice, an hour apart; and once more before anything is erased.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

APART_MS: Final = 3_600_000
ERASED_AFTER_MS: Final = 7 * 24 * 3_600_000

Step = Literal["rejected", "paused", "waiting", "erased"]


@dataclass(frozen=True, slots=True)
class Uninstall:
    """What is known of it. `refused_ms`: of the first refusal; `sure_ms`: of the one that paused the shop; 0 = not yet."""

    told_ms: int
    refused_ms: int = 0
    sure_ms: int = 0
    probe_ms: int = 0

    def is_due(self, now_ms: int) -> bool:
        """Whether Haravan is to be asked now; a moment so far ahead was set before the clock was set back."""
        return not 0 < self.probe_ms - now_ms <= APART_MS


def after_refusal(known: Uninstall, *, now_ms: int) -> tuple[Uninstall, Step]:
    """What is known once the token was refused again, and what is to be done."""
    later = replace(known, probe_ms=now_ms + APART_MS)
    if known.sure_ms:
        return later, "erased" if now_ms - known.sure_ms >= ERASED_AFTER_MS else "waiting"
    if not known.refused_ms or known.refused_ms > now_ms:
        return replace(later, refused_ms=now_ms), "rejected"
    if now_ms - known.refused_ms < APART_MS:
        return replace(later, probe_ms=known.refused_ms + APART_MS), "waiting"
    return replace(later, sure_ms=now_ms), "paused"
