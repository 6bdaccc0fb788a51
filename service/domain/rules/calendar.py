"""Days in a shop's time zone: the local day of a time, and the next month boundary, anniversary and age.

Days are proleptic Gregorian ordinals, as in `date.toordinal()`.
"""

from __future__ import annotations

from calendar import isleap
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
    """One local day with everything that conditions read of it, computed once for all customers."""

    ordinal: int
    year: int
    month: int
    next_month: int
    # By month (index 0 is December too): the next day on which the month begins, or, during the month, ends.
    month_boundaries: tuple[int, ...]
    celebrated: frozenset[tuple[int, int]]  # (month, day) of the birthdays that are celebrated on this day


@lru_cache(maxsize=1024)
def make_day(ordinal: int) -> Day:
    """Build the day of an ordinal. In common years, 29 February is celebrated on the 28th."""
    on = date.fromordinal(ordinal)
    tomorrow = on + timedelta(days=1) if ordinal < LAST_DAY else on
    celebrated = {(on.month, on.day)}
    if (on.month, on.day) == (2, 28) and tomorrow.month == 3:
        celebrated.add((2, 29))
    next_month = on.month % 12 + 1
    boundaries = [
        next_first_of_month(next_month if month == on.month else month, ordinal) for month in range(1, 13)
    ]
    return Day(ordinal, on.year, on.month, next_month, (boundaries[-1], *boundaries), frozenset(celebrated))


def next_first_of_month(month: int, after: int) -> int:
    """Return the first day of `month` that is later than the day `after`."""
    year = date.fromordinal(after).year
    first = _ordinal(year, month, 1)
    return first if first > after else _ordinal(year + 1, month, 1)


def anniversary(born: date, year: int) -> int:
    """Return the day in `year` on which a birthday is celebrated: 29 February on the 28th in common years."""
    if (born.month, born.day) == (2, 29) and not isleap(year):
        return _ordinal(year, 2, 28)
    return _ordinal(year, born.month, born.day)


def next_anniversary(born: date, today: Day) -> int:
    """Return the first anniversary that is today or later."""
    this_year = anniversary(born, today.year)
    return this_year if this_year >= today.ordinal else anniversary(born, today.year + 1)


def window_boundary(born: date, today: Day, days: int) -> int:
    """Return the next day on which "the anniversary is at most `days` ahead" becomes true or false."""
    upcoming = next_anniversary(born, today)
    return upcoming + 1 if upcoming - today.ordinal <= days else upcoming - days


def next_age_change(born: date, ages: Iterable[int], today: Day) -> int:
    """Return the first day after today on which one of the ages is reached, or LAST_DAY + 1 if none ever is."""
    birthdays = (anniversary(born, born.year + age) for age in ages if 0 < age <= 9999 - born.year)
    return min((day for day in birthdays if day > today.ordinal), default=LAST_DAY + 1)


def age(born: date, today: Day) -> int:
    """Return the whole years since `born`, never negative."""
    return max(0, today.year - born.year - (anniversary(born, today.year) > today.ordinal))


@dataclass(frozen=True, slots=True)
class Calendar:
    """Converts times to local days in one time zone.

    The UTC offset is cached for chunks of ten days, because a lookup for each date of each customer would cost more
    than evaluating the rules. `offsets` holds, by chunk, what to add to a time so that whole days are ordinals; None
    if the clock changes within the chunk.
    """

    zone: ZoneInfo
    offsets: dict[int, int | None] = field(default_factory=dict, compare=False, repr=False)

    def day_of(self, ms: int) -> int:
        """Return the ordinal of the local day of a time (milliseconds since 1970, UTC)."""
        chunk = ms // CHUNK_MS
        try:
            offset = self.offsets[chunk]
        except KeyError:
            offset = self.offsets[chunk] = _constant_offset(self.zone, chunk * CHUNK_MS)
        return _uncached_day(self.zone, ms) if offset is None else (ms + offset) // DAY_MS


@lru_cache(maxsize=64)
def calendar_for(zone: str) -> Calendar:
    """Return the calendar of a time zone by its IANA name; raises ZoneInfoNotFoundError or ValueError."""
    return Calendar(ZoneInfo(zone))


def _constant_offset(zone: ZoneInfo, start_ms: int) -> int | None:
    """Return the offset of a chunk, or None if it changes within the chunk (sampled every six hours)."""
    try:
        times = [_EPOCH + timedelta(milliseconds=start_ms + hour * 3_600_000) for hour in range(0, 246, 6)]
        offsets = {time.astimezone(zone).utcoffset() for time in times}
    except (OverflowError, ValueError):
        return None
    if len(offsets) != 1 or (offset := offsets.pop()) is None:
        return None
    return offset // timedelta(milliseconds=1) + _EPOCH_DAY * DAY_MS


def _uncached_day(zone: ZoneInfo, ms: int) -> int:
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).astimezone(zone).toordinal()
    except (OverflowError, ValueError):  # year 1 west of Greenwich, or year 9999 east of it
        return 1 if ms < 0 else LAST_DAY


def _ordinal(year: int, month: int, day: int) -> int:
    """LAST_DAY for a year beyond the calendar."""
    return date(year, month, day).toordinal() if year <= 9999 else LAST_DAY
