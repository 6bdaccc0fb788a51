"""A span of days that a person wrote into a form, in the time zone of the shop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from service.web.pages.shell import Visit, parse_day

MAX_TEXT: Final = 20


@dataclass(frozen=True, slots=True)
class Span:
    """Both days are part of the span. `since` and `until` are as typed, to show them again."""

    since: str = ""
    until: str = ""
    since_ms: int = 0
    until_ms: int | None = None
    error: str = ""


def read_span(visit: Visit, timezone: str) -> Span:
    """The span in the query, `from` to `to`. A text that is no day is an error, and the span has no end there."""
    since, until = (visit.query.get(name, "").strip()[:MAX_TEXT] for name in ("from", "to"))
    first, last = parse_day(since), parse_day(until)
    is_wrong = (bool(since) and first is None) or (bool(until) and last is None)
    return Span(
        since,
        until,
        day_ms(first, timezone) if first is not None else 0,
        day_ms(last + timedelta(days=1), timezone) - 1 if last is not None else None,
        visit.t("activity.span.error") if is_wrong else "",
    )


def day_ms(day: date, timezone: str) -> int:
    """The moment at which a day begins in a time zone; 0 for a day before 1970."""
    return max(0, int(datetime.combine(day, time(), ZoneInfo(timezone)).timestamp() * 1000))
