"""A tag that is undone again and again."""

from __future__ import annotations

from service.domain.sync.writes import (
    REVERT_WINDOW_MS,
    REVERTS_CODEC,
    RevertHistory,
    record_reverts,
    suppressed_tags,
)


def _struck(*moments: int) -> RevertHistory:
    strikes: RevertHistory = {}
    for at in moments:
        strikes = record_reverts(strikes, {"vip": at}, now_ms=at)
    return strikes


def test_the_third_time_within_a_day_stops_the_tag_and_only_that_one() -> None:
    assert suppressed_tags(_struck(1, 2), now_ms=3) == frozenset()
    assert suppressed_tags(record_reverts(_struck(1, 2, 3), {"gold": 3}, now_ms=3), now_ms=3) == {"vip"}


def test_three_times_over_more_than_a_day_do_not() -> None:
    assert suppressed_tags(_struck(0, 5, REVERT_WINDOW_MS), now_ms=REVERT_WINDOW_MS) == frozenset()


def test_the_stop_ends_a_day_after_the_first_of_the_three() -> None:
    strikes = _struck(10, 20, 30)

    assert suppressed_tags(strikes, now_ms=9 + REVERT_WINDOW_MS) == {"vip"}
    assert suppressed_tags(strikes, now_ms=10 + REVERT_WINDOW_MS) == frozenset()


def test_what_is_older_than_a_day_is_forgotten() -> None:
    assert record_reverts(_struck(1), {}, now_ms=1 + REVERT_WINDOW_MS) == {}


def test_strikes_survive_the_store() -> None:
    strikes = _struck(1, 2)

    assert REVERTS_CODEC.decode(REVERTS_CODEC.encode(strikes)) == strikes
    assert REVERTS_CODEC.decode(None) == {}
    assert REVERTS_CODEC.encode({}) == b""
