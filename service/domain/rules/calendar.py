"""Days in a shop's zone: which day a moment falls on, and when months and anniversaries come round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LAST_DAY: Final = date.max.toordinal()
DAY_MS: Final = 86_400_000
CHUNK_MS: Final = 10 * DAY_MS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the shop, taken apart once for all customers."""

    ordinal: int
    year: int
    month: int
    next_month: int
    month_boundaries: tuple[
        int, ...
    ]  # by month (0: December too), the next day on which it begins, or ends while it lasts
    celebrated: frozenset[tuple[int, int]]  # (month, day) of those who celebrate today


@lru_cache(maxsize=1024)
def make_day(ordinal: int) -> Day:
    """Take a day apart; 29 February is celebrated on the 28th in common years."""
    on = date.fromordinal(ordinal)
    tomorrow = on + timedelta(days=1) if ordinal < LAST_DAY else on
    here = {(on.month, on.day)}
    if (on.month, on.day) == (2, 28) and tomorrow.month == 3:
        here.add((2, 29))
    following = on.month % 12 + 1
    edges = [
        next_first_of_month(following if month == on.month else month, ordinal) for month in range(1, 13)
    ]
    return Day(ordinal, on.year, on.month, following, (edges[-1], *edges), frozenset(here))


def next_first_of_month(month: int, after: int) -> int:
    """The ordinal of the next first of `month` that is later than the day `after`."""
    year = date.fromordinal(after).year
    first = _ordinal(year, month, 1)
    return first if first > after else _ordinal(year + 1, month, 1)


def anniversary(born: date, year: int) -> int:
    """The ordinal of the day in `year` on which `born` is celebrated (29 February: the 28th if need be)."""
    if (born.month, born.day) == (2, 29) and not _leaps(year):
        return _ordinal(year, 2, 28)
    return _ordinal(year, born.month, born.day)


def next_anniversary(born: date, today: Day) -> int:
    """The ordinal of the first anniversary that is today or later."""
    this = anniversary(born, today.year)
    return this if this >= today.ordinal else anniversary(born, today.year + 1)


def window_boundary(born: date, today: Day, days: int) -> int:
    """The day after the anniversary while it is at most so many days ahead, else the day on which it comes so near."""
    coming = next_anniversary(born, today)
    return coming + 1 if coming - today.ordinal <= days else coming - days


def next_age_change(born: date, ages: Iterable[int], today: Day) -> int:
    """The first day after today on which one of the ages is reached; a day beyond the calendar when none will be."""
    days = (anniversary(born, born.year + age) for age in ages if 0 < age <= 9999 - born.year)
    return min((on for on in days if on > today.ordinal), default=LAST_DAY + 1)


def age(born: date, today: Day) -> int:
    """Whole years since `born`, never negative."""
    return max(0, today.year - born.year - (anniversary(born, today.year) > today.ordinal))


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of one zone.

    Nearly all moments lie in stretches of ten days without a change of the clock; their offset is
    looked up once, because asking the zone for every date of every customer costs more than the rules.
    """

    zone: ZoneInfo
    offsets: dict[int, int | None] = field(default_factory=dict, compare=False, repr=False)

    def day_of(self, ms: int) -> int:
        """The ordinal of the local day on which a moment (ms since 1970, UTC) falls.

        `shifts` tells for each stretch what is added to a moment, so that whole days are ordinals; None where the
        clock changes.
        """
        chunk = ms // CHUNK_MS
        try:
            shift = self.offsets[chunk]
        except KeyError:
            shift = self.offsets[chunk] = _steady_shift(self.zone, chunk * CHUNK_MS)
        return _slow_day(self.zone, ms) if shift is None else (ms + shift) // DAY_MS


@lru_cache(maxsize=64)
def calendar_for(zone: str) -> Calendar:
    """The calendar of a zone by its IANA name; raises ZoneInfoNotFoundError or ValueError."""
    return Calendar(ZoneInfo(zone))


def _steady_shift(zone: ZoneInfo, start_ms: int) -> int | None:
    """The shift if the zone's offset is the same all through the chunk (looked at every six hours)."""
    try:
        moments = [_EPOCH + timedelta(milliseconds=start_ms + hour * 3_600_000) for hour in range(0, 246, 6)]
        offsets = {moment.astimezone(zone).utcoffset() for moment in moments}
    except (OverflowError, ValueError):
        return None
    if len(offsets) != 1 or (offset := offsets.pop()) is None:
        return None
    return offset // timedelta(milliseconds=1) + _EPOCH_DAY * DAY_MS


def _slow_day(zone: ZoneInfo, ms: int) -> int:
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone).toordinal()
    except (OverflowError, ValueError):  # year 1 west of Greenwich, or year 9999 east of it
        return 1 if ms < 0 else LAST_DAY


def _leaps(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _ordinal(year: int, month: int, on: int) -> int:
    return date(year, month, on).toordinal() if year <= 9999 else LAST_DAY
