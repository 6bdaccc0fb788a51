"""How long to wait after failures, and whose fault they are."""

from __future__ import annotations

import pytest

from service.domain.sync.retries import (
    MAX_RETRY_S,
    OUTAGE_MAX_S,
    CircuitBreaker,
    batch_size,
    reconnect_delay_s,
    retry_delay_s,
    too_many_deletions,
)


def _after(*customers: str) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for customer in customers:
        breaker = breaker.record_failure(now_ms=0, customer=customer)
    return breaker


@pytest.mark.parametrize("attempts", [1, 2, 3, 10, 10_000])
@pytest.mark.parametrize("dice", [0.0, 0.5, 1.0])
def test_a_store_that_is_back_is_found_within_two_seconds_and_not_asked_without_pause(
    attempts: int, dice: float
) -> None:
    assert 0.2 <= reconnect_delay_s(attempts, dice) <= 2.0


def test_the_longer_a_store_is_away_the_less_it_is_asked() -> None:
    assert [reconnect_delay_s(attempts, 1.0) for attempts in range(1, 6)] == [0.5, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("failed", "tripped"),
    [
        pytest.param("aaaa", False, id="four failures are not enough"),
        pytest.param("abcd", False, id="four of several neither"),
        pytest.param("aaaaaaaaa", False, id="one customer that always fails is at fault itself"),
        pytest.param("abcde", True, id="five in a row are the shop's"),
        pytest.param("aaaab", True, id="as soon as a second one fails as well"),
    ],
)
def test_a_breaker_trips_when_several_fail_in_a_row(failed: str, tripped: bool) -> None:
    assert _after(*failed).is_tripped is tripped


def test_one_success_makes_everything_count_again() -> None:
    assert _after(*"abcdef").record_success() == CircuitBreaker()


def test_a_tripped_breaker_rests_longer_each_time_and_never_above_five_minutes() -> None:
    rests = [_after(*"abcde", *"f" * more).open_until_ms for more in range(12)]

    assert rests == sorted(rests)
    assert rests[0] == 10_000
    assert rests[-1] == 300_000


def test_a_failure_during_an_outage_counts_only_after_a_day() -> None:
    breaker, day_ms = _after(*"abcde"), int(OUTAGE_MAX_S * 1000)

    assert not breaker.blames_customer(first_ms=0, now_ms=day_ms)
    assert breaker.blames_customer(first_ms=0, now_ms=day_ms + 1)


def test_eight_tries_take_about_an_hour_and_a_single_wait_never_more() -> None:
    waits = [retry_delay_s(tries, 1.0) for tries in range(1, 8)]

    assert waits[:3] == [5, 15, 45]
    assert max(waits) <= MAX_RETRY_S
    assert 2400 < sum(waits) / 2 < 4800


def test_a_failing_batch_is_halved_until_everybody_is_alone_well_before_the_last_try() -> None:
    assert [batch_size(tries, maximum=50) for tries in range(8)] == [50, 25, 12, 6, 3, 1, 1, 1]


@pytest.mark.parametrize(
    ("missing", "requested", "doubted"),
    [(4, 4, False), (5, 24, True), (5, 25, False), (10, 50, False), (11, 50, True)],
)
def test_many_404s_are_not_believed_at_once(missing: int, requested: int, doubted: bool) -> None:
    assert too_many_deletions(missing=missing, requested=requested) is doubted
