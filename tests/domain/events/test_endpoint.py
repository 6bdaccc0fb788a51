"""What follows from an answer of an endpoint, and which secrets sign."""

from __future__ import annotations

import pytest

from service.domain.events import (
    EVENT_TYPES,
    Answer,
    Decision,
    Endpoint,
    EndpointState,
    SealedSecret,
    after_answer,
    is_due,
    next_state,
    rotated,
    valid_secrets,
)
from service.domain.events.endpoint import DELAYS_S, MAX_REJECTIONS, ROTATION_MS

ENDPOINT = Endpoint(
    id="E1",
    url="https://example.com",
    events=EVENT_TYPES,
    secrets=(SealedSecret(b"first"),),
    by="Lan",
    created_ms=1,
)


def decide(status: int | None, *, attempts: int = 0, retry_after_s: int = 0, jitter: float = 0) -> Decision:
    return after_answer(Answer(status, "", retry_after_s), attempts=attempts, jitter=jitter)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_a_success_is_done_with_the_event(status: int) -> None:
    assert decide(status, attempts=7) == Decision(advance=True)


@pytest.mark.parametrize("status", [None, 301, 302, 401, 403, 404, 408, 429, 500, 502, 503, 504])
def test_any_other_answer_is_a_failure_of_the_endpoint_and_keeps_the_event(status: int | None) -> None:
    assert decide(status) == Decision(advance=False, wait_s=5)
    assert decide(status, attempts=len(DELAYS_S)) == Decision(advance=False, disable="failing")


def test_attempts_are_spread_over_three_days() -> None:
    waits = [decide(500, attempts=number).wait_s for number in range(len(DELAYS_S))]

    assert waits == sorted(waits)
    assert 72 * 3600 < sum(waits) < 80 * 3600
    assert decide(500, attempts=3, jitter=1).wait_s == DELAYS_S[3] * 6 // 5


def test_a_receiver_may_ask_for_a_longer_wait_but_not_for_years() -> None:
    assert decide(503, retry_after_s=120).wait_s == 120
    assert decide(503, attempts=4, retry_after_s=1).wait_s == DELAYS_S[4]
    assert decide(429, retry_after_s=999_999).wait_s == 86_400


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_is_rejected_stops_the_others_for_minutes_only(status: int) -> None:
    assert not decide(status, attempts=MAX_REJECTIONS - 2).advance
    assert decide(status, attempts=MAX_REJECTIONS - 1) == Decision(advance=True, is_dead=True)


def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    assert decide(410) == Decision(advance=False, disable="gone")


def test_the_state_counts_attempts_until_an_event_is_done_with() -> None:
    before = EndpointState(ledger="1-0", attempts=2)
    done = EndpointState(ledger="2-0", attempts=2)

    failed = next_state(before, done, Decision(advance=False, wait_s=60), "HTTP 500", now_ms=1_000)
    succeeded = next_state(failed, done, Decision(advance=True), "", now_ms=2_000)
    rejected = next_state(before, done, Decision(advance=True, is_dead=True), "HTTP 400", now_ms=3_000)

    assert (failed.ledger, failed.attempts, failed.due_ms, failed.failure) == ("1-0", 3, 61_000, "HTTP 500")
    assert (succeeded.ledger, succeeded.attempts, succeeded.due_ms, succeeded.delivered) == ("2-0", 0, 0, 1)
    assert (rejected.ledger, rejected.delivered, rejected.failure) == ("2-0", 0, "HTTP 400")
    assert not is_due(ENDPOINT, failed, now_ms=60_999)
    assert is_due(ENDPOINT, failed, now_ms=61_000)


def test_the_former_secret_signs_for_a_day_and_the_one_before_it_no_more() -> None:
    once = rotated(ENDPOINT, b"second", now_ms=1_000)
    twice = rotated(once, b"third", now_ms=2_000)

    assert [each.sealed for each in valid_secrets(once, now_ms=1_000)] == [b"second", b"first"]
    assert [each.sealed for each in valid_secrets(once, now_ms=1_000 + ROTATION_MS)] == [b"second"]
    assert [each.sealed for each in valid_secrets(twice, now_ms=2_000)] == [b"third", b"second"]
