"""Uninstalled apps: when to probe Haravan, and what follows if it refuses the token.

The topic of a webhook is not signed, so `app/uninstalled` is only a hint. The shop is paused when Haravan has refused
its token twice, an hour apart. A week later a third refusal erases its data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

MIN_REFUSAL_GAP_MS: Final = 3_600_000
DELETE_AFTER_MS: Final = 7 * 24 * 3_600_000

UninstallAction = Literal["rejected", "paused", "waiting", "erased"]


@dataclass(frozen=True, slots=True)
class UninstallState:
    """What is known about an uninstall. 0 stands for: not yet."""

    announced_ms: int
    first_refused_ms: int = 0
    confirmed_ms: int = 0  # the refusal that paused the shop
    next_probe_ms: int = 0

    def is_due(self, now_ms: int) -> bool:
        """Whether to probe now. A probe more than an hour ahead was planned before the clock was set back."""
        return not 0 < self.next_probe_ms - now_ms <= MIN_REFUSAL_GAP_MS


def on_refusal(known: UninstallState, *, now_ms: int) -> tuple[UninstallState, UninstallAction]:
    """The state after one more refusal of the token, and what to do."""
    later = replace(known, next_probe_ms=now_ms + MIN_REFUSAL_GAP_MS)
    if known.confirmed_ms:
        return later, "erased" if now_ms - known.confirmed_ms >= DELETE_AFTER_MS else "waiting"
    if not known.first_refused_ms or known.first_refused_ms > now_ms:
        return replace(later, first_refused_ms=now_ms), "rejected"
    if now_ms - known.first_refused_ms < MIN_REFUSAL_GAP_MS:
        return replace(later, next_probe_ms=known.first_refused_ms + MIN_REFUSAL_GAP_MS), "waiting"
    return replace(later, confirmed_ms=now_ms), "paused"
