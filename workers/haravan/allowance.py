"""What the headers of an answer say about the shop's API bucket."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workers.haravan.requests import Response

DEFAULT_RETRY_AFTER_S: Final = 2.0
LONGEST_RETRY_AFTER_S: Final = 60.0
_CALL_LIMIT: Final = re.compile(r"\s*(\d{1,5})(?:\.\d+)?\s*/\s*(\d{1,5})\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How full the bucket is and, after a 429, how long the shop must wait. None: not said."""

    used: int | None = None
    size: int | None = None
    retry_after_s: float | None = None


def allowance(response: Response) -> Allowance:
    """Read `X-Haravan-Api-Call-Limit: 32/80` and, of a 429, `Retry-After: 2.0` (haravan.md, API)."""
    found = _CALL_LIMIT.fullmatch(response.headers.get("X-Haravan-Api-Call-Limit", ""))
    used, size = (int(found[1]), int(found[2])) if found else (None, None)
    return Allowance(
        used=used, size=size, retry_after_s=retry_after(response.headers) if response.status == 429 else None
    )


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a float's text; 2 s when it is missing or absurd, never more than a minute."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return DEFAULT_RETRY_AFTER_S
    if not math.isfinite(seconds) or seconds <= 0:
        return DEFAULT_RETRY_AFTER_S
    return min(seconds, LONGEST_RETRY_AFTER_S)
