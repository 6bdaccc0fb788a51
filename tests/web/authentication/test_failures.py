"""Wrong tokens are counted for each client; other clients are never refused for them."""

from __future__ import annotations

import pytest

from service.web.authentication.failures import (
    MAX_CLIENTS,
    MAX_FAILURES,
    MAX_FAILURES_UNDER_ATTACK,
    MAX_TOTAL_FAILURES,
    FailureLimiter,
    client_of,
)


class Clock:
    """Seconds that a test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def fail(limiter: FailureLimiter, client: str, times: int = 1) -> list[bool]:
    return [limiter.add_failure(client) for _ in range(times)]


def test_a_client_with_too_many_failures_waits_for_the_rest_of_the_minute() -> None:
    clock = Clock()
    limiter = FailureLimiter(clock)

    fail(limiter, "a", MAX_FAILURES - 1)
    assert limiter.retry_after_s("a") == 0
    clock.now_s += 15
    fail(limiter, "a")

    assert limiter.retry_after_s("a") == 45
    clock.now_s += 44.5
    assert limiter.retry_after_s("a") == 1
    clock.now_s += 0.5
    assert limiter.retry_after_s("a") == 0


def test_another_client_is_never_refused() -> None:
    limiter = FailureLimiter(Clock())

    fail(limiter, "a", 2000)

    assert limiter.retry_after_s("b") == 0


def test_1100_guesses_a_second_become_ten_a_minute() -> None:
    clock = Clock()
    limiter = FailureLimiter(clock)
    looked_up = 0
    for _ in range(1100 * 60):
        clock.now_s += 1 / 1100
        if not limiter.retry_after_s("a"):
            looked_up += 1
            limiter.add_failure("a")

    assert looked_up == MAX_FAILURES


def test_many_clients_that_fail_together_get_fewer_tries_each() -> None:
    clock = Clock()
    limiter = FailureLimiter(clock)
    for number in range(MAX_TOTAL_FAILURES):
        fail(limiter, f"client {number}")

    fail(limiter, "a", MAX_FAILURES_UNDER_ATTACK - 1)
    assert limiter.retry_after_s("a") == 0
    fail(limiter, "a")
    assert limiter.retry_after_s("a") > 0
    assert limiter.retry_after_s("somebody with a good token") == 0

    clock.now_s += 61
    fail(limiter, "a", MAX_FAILURES_UNDER_ATTACK)
    assert limiter.retry_after_s("a") == 0  # the attack is over


def test_the_first_failure_too_many_is_reported_once() -> None:
    limiter = FailureLimiter(Clock())

    reported = fail(limiter, "a", 50)

    assert [index for index, each in enumerate(reported, 1) if each] == [MAX_FAILURES]


def test_an_attack_by_many_clients_is_reported_once() -> None:
    limiter = FailureLimiter(Clock())

    reported = [limiter.add_failure(f"client {number}") for number in range(3 * MAX_TOTAL_FAILURES)]

    assert [index for index, each in enumerate(reported, 1) if each] == [MAX_TOTAL_FAILURES]


def test_the_memory_of_clients_is_bounded_and_forgets_the_oldest_first() -> None:
    limiter = FailureLimiter(Clock())
    fail(limiter, "the first", MAX_FAILURES)
    fail(limiter, "the second", MAX_FAILURES)

    for number in range(MAX_CLIENTS - 1):
        fail(limiter, f"client {number}")

    assert limiter.retry_after_s("the first") == 0
    assert limiter.retry_after_s("the second") > 0


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
        ("_hidden", "unknown"),
    ],
)
def test_the_addresses_of_one_client_count_together(host: str | None, client: str) -> None:
    assert client_of(host) == client
