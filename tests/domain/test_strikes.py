"""A tag that is undone again and again."""

from __future__ import annotations

from service.domain.strikes import WITHIN_MS, Strikes, pack_strikes, stopped, strike, unpack_strikes


def _struck(*moments: int) -> Strikes:
    strikes: Strikes = {}
    for at in moments:
        strikes = strike(strikes, {"vip": at}, now_ms=at)
    return strikes


def test_the_third_time_within_a_day_stops_the_tag_and_only_that_one() -> None:
    assert stopped(_struck(1, 2), now_ms=3) == frozenset()
    assert stopped(strike(_struck(1, 2, 3), {"gold": 3}, now_ms=3), now_ms=3) == {"vip"}


def test_three_times_over_more_than_a_day_do_not() -> None:
    assert stopped(_struck(0, 5, WITHIN_MS), now_ms=WITHIN_MS) == frozenset()


def test_the_stop_ends_a_day_after_the_first_of_the_three() -> None:
    strikes = _struck(10, 20, 30)

    assert stopped(strikes, now_ms=9 + WITHIN_MS) == {"vip"}
    assert stopped(strikes, now_ms=10 + WITHIN_MS) == frozenset()


def test_what_is_older_than_a_day_is_forgotten() -> None:
    assert strike(_struck(1), {}, now_ms=1 + WITHIN_MS) == {}


def test_strikes_survive_the_store() -> None:
    strikes = _struck(1, 2)

    assert unpack_strikes(pack_strikes(strikes)) == strikes
    assert unpack_strikes(None) == {}
    assert pack_strikes({}) == b""
