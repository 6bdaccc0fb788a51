"""An app that may have been uninstalled: when to ask Haravan, and what follows from being refused. Decisions only.

Only a webhook's body is signed, its topic is not: `app/uninstalled` is a hint. What counts is that Haravan refuses the
shop's token, twice, an hour apart; and once more before anything is erased.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

MIN_REFUSAL_GAP_MS: Final = 3_600_000
DELETE_AFTER_MS: Final = 7 * 24 * 3_600_000

UninstallAction = Literal["rejected", "paused", "waiting", "erased"]


@dataclass(frozen=True, slots=True)
class UninstallState:
    """What is known of it. `refused_ms`: of the first refusal; `sure_ms`: of the one that paused the shop; 0 = not yet."""

    announced_ms: int
    first_refused_ms: int = 0
    confirmed_ms: int = 0
    next_probe_ms: int = 0

    def is_due(self, now_ms: int) -> bool:
        """Whether Haravan is to be asked now; a moment so far ahead was set before the clock was set back."""
        return not 0 < self.next_probe_ms - now_ms <= MIN_REFUSAL_GAP_MS


def on_refusal(known: UninstallState, *, now_ms: int) -> tuple[UninstallState, UninstallAction]:
    """What is known once the token was refused again, and what is to be done."""
    later = replace(known, next_probe_ms=now_ms + MIN_REFUSAL_GAP_MS)
    if known.confirmed_ms:
        return later, "erased" if now_ms - known.confirmed_ms >= DELETE_AFTER_MS else "waiting"
    if not known.first_refused_ms or known.first_refused_ms > now_ms:
        return replace(later, first_refused_ms=now_ms), "rejected"
    if now_ms - known.first_refused_ms < MIN_REFUSAL_GAP_MS:
        return replace(later, next_probe_ms=known.first_refused_ms + MIN_REFUSAL_GAP_MS), "waiting"
    return replace(later, confirmed_ms=now_ms), "paused"
