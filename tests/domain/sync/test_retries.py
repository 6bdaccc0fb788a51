"""Delays after failures, the circuit breaker and doubted 404s."""

from __future__ import annotations

import pytest

from service.domain.sync.circuit_breaker import OUTAGE_MAX_S, CircuitBreaker
from service.domain.sync.retries import (
    MAX_RETRY_S,
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
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_worker_tries_to_reconnect_within_two_seconds_and_not_without_pause(
    attempts: int, jitter: float
) -> None:
    assert 0.2 <= reconnect_delay_s(attempts, jitter) <= 2.0


def test_the_delay_of_a_reconnect_grows_to_two_seconds() -> None:
    assert [reconnect_delay_s(attempts, 1.0) for attempts in range(1, 6)] == [0.5, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("failed", "tripped"),
    [
        pytest.param("aaaa", False, id="four failures are not enough"),
        pytest.param("abcd", False, id="four failures of several customers are not enough"),
        pytest.param("aaaaaaaaa", False, id="a single customer never trips it"),
        pytest.param("abcde", True, id="five failures of several customers in a row"),
        pytest.param("aaaab", True, id="as soon as a second customer fails"),
    ],
)
def test_a_breaker_trips_when_several_fail_in_a_row(failed: str, tripped: bool) -> None:
    assert _after(*failed).is_tripped is tripped


def test_a_success_resets_the_breaker() -> None:
    assert _after(*"abcdef").record_success() == CircuitBreaker()


def test_a_tripped_breaker_stays_open_longer_each_time_and_at_most_five_minutes() -> None:
    open_until_ms = [_after(*"abcde", *"f" * more).open_until_ms for more in range(12)]

    assert open_until_ms == sorted(open_until_ms)
    assert open_until_ms[0] == 10_000
    assert open_until_ms[-1] == 300_000


def test_a_failure_during_an_outage_blames_the_customer_only_after_a_day() -> None:
    breaker, day_ms = _after(*"abcde"), int(OUTAGE_MAX_S * 1000)

    assert not breaker.blames_customer(first_ms=0, now_ms=day_ms)
    assert breaker.blames_customer(first_ms=0, now_ms=day_ms + 1)


def test_eight_attempts_take_about_an_hour_and_no_delay_is_longer() -> None:
    delays = [retry_delay_s(attempts, 1.0) for attempts in range(1, 8)]

    assert delays[:3] == [5, 15, 45]
    assert max(delays) <= MAX_RETRY_S
    assert 2400 < sum(delays) / 2 < 4800


def test_a_failing_batch_is_halved_down_to_single_customers_before_the_last_attempt() -> None:
    assert [batch_size(attempts, maximum=50) for attempts in range(8)] == [50, 25, 12, 6, 3, 1, 1, 1]


@pytest.mark.parametrize(
    ("missing", "requested", "doubted"),
    [(4, 4, False), (5, 24, True), (5, 25, False), (10, 50, False), (11, 50, True)],
)
def test_many_404s_are_not_believed_at_once(missing: int, requested: int, doubted: bool) -> None:
    assert too_many_deletions(missing=missing, requested=requested) is doubted
