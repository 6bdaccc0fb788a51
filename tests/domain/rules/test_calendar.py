"""Days in a shop's time zone, anniversaries, months and ages, against the standard library."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.rules.calendar import (
    age,
    anniversary,
    calendar_for,
    make_day,
    next_anniversary,
    next_first_of_month,
)

EARLIEST, LATEST = datetime(1900, 1, 1), datetime(2090, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
ZONES = [
    "Asia/Ho_Chi_Minh",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",  # had no 30 December 2011
    "America/Sao_Paulo",  # its summer time began at midnight
    "Asia/Kathmandu",
]


@pytest.mark.parametrize("zone", ZONES)
@given(moment=st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)))
def test_a_time_falls_on_its_local_day(zone: str, moment: datetime) -> None:
    ms = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

    assert date.fromordinal(calendar_for(zone).day_of(ms)) == moment.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Pacific/Apia"])
def test_every_hour_of_a_year_with_clock_changes_falls_on_its_local_day(zone: str) -> None:
    start = datetime(2011, 1, 1, tzinfo=UTC)
    for hour in range(366 * 24):
        moment = start + timedelta(hours=hour, minutes=-1)
        day = calendar_for(zone).day_of(int(moment.timestamp()) * 1000)
        assert date.fromordinal(day) == moment.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        pytest.param(-62_135_596_800_000, date.min, id="the first moment of year 1, west of Greenwich"),
        pytest.param(-(10**17), date.min, id="before all days"),
        pytest.param(10**17, date.max, id="after all days"),
    ],
)
def test_times_beyond_the_calendar_fall_on_its_first_or_last_day(ms: int, expected: date) -> None:
    assert date.fromordinal(calendar_for("America/New_York").day_of(ms)) == expected


def test_a_birthday_stored_as_the_evening_before_in_utc_is_on_the_local_day() -> None:
    moment = datetime(1990, 5, 31, 17, tzinfo=UTC)

    day = calendar_for("Asia/Ho_Chi_Minh").day_of(int(moment.timestamp()) * 1000)
    assert date.fromordinal(day) == date(1990, 6, 1)


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        pytest.param(2024, date(2024, 2, 29), id="leap year"),
        pytest.param(2025, date(2025, 2, 28), id="common year"),
        pytest.param(2100, date(2100, 2, 28), id="common century"),
    ],
)
def test_29_february_is_celebrated_on_the_28th_in_common_years(year: int, expected: date) -> None:
    born = date(1992, 2, 29)

    assert anniversary(born, year) == expected.toordinal()
    assert (born.month, born.day) in make_day(expected.toordinal()).celebrated


def test_29_february_is_not_celebrated_on_the_28th_of_a_leap_year() -> None:
    assert (2, 29) not in make_day(date(2024, 2, 28).toordinal()).celebrated


@given(born=st.dates(), today=st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_the_next_anniversary_is_the_first_that_is_today_or_later(born: date, today: date) -> None:
    ordinal = next_anniversary(born, make_day(today.toordinal()))

    assert today.toordinal() <= ordinal <= today.toordinal() + 366
    assert (born.month, born.day) in make_day(ordinal).celebrated


@given(month=st.integers(1, 12), after=st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_the_next_first_of_a_month_is_within_a_year(month: int, after: date) -> None:
    first = date.fromordinal(next_first_of_month(month, after.toordinal()))

    assert (first.month, first.day) == (month, 1)
    assert after < first <= after + timedelta(days=366)


@given(month=st.integers(1, 12), today=st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_a_month_boundary_is_the_next_day_on_which_the_month_begins_or_ends(month: int, today: date) -> None:
    ahead = (today + timedelta(days=days) for days in range(1, 367))
    boundary = next(on for on in ahead if (on.month == month) is not (today.month == month))

    assert date.fromordinal(make_day(today.toordinal()).month_boundaries[month % 12]) == boundary


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        pytest.param(date(2025, 2, 27), 32, id="the day before"),
        pytest.param(date(2025, 2, 28), 33, id="the day itself"),
        pytest.param(date(1990, 1, 1), 0, id="before birth"),
    ],
)
def test_the_age_changes_on_the_birthday(today: date, expected: int) -> None:
    assert age(date(1992, 2, 29), make_day(today.toordinal())) == expected
