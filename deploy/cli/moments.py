"""A moment as people type it: `2h` ago, or a date and time."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final

from service.errors import Refused

UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGO: Final = re.compile(r"(\d{1,6})\s*([smhd])")


def moment_ms(text: str, *, now_ms: int) -> int:
    """Milliseconds since 1970 of `90s`, `30m`, `2h`, `3d` (ago) or of an ISO date or time; raises Refused.

    A time without a zone is in this machine's own.
    """
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now_ms - int(ago[1]) * UNITS_S[ago[2]] * 1000
    try:
        return int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as exc:
        raise Refused(f"{text!r} is no moment: write 30m, 2h, 3d, or 2026-11-21T08:30") from exc


def day(text: str) -> date:
    """A day as people type it: 2026-12-01; raises Refused."""
    try:
        return date.fromisoformat(text.strip())
    except ValueError as exc:
        raise Refused(f"{text!r} is no day: write it as 2026-12-01") from exc
