"""Endpoints: where a shop's events go, and what follows from an answer.

An endpoint gets its events one after the other, in the order in which they happened. So one that does not answer has a place
where it stopped, and nothing else: no queue grows, and no other endpoint waits.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from service.domain.events.event import EventType

MAX_ENDPOINTS: Final = 5  # of a shop
ROTATION_MS: Final = 24 * 3_600_000  # how long requests are signed with the former secret as well
# Before the next attempt, as Standard Webhooks recommends: about 75 hours in all. Each is lengthened by up to a fifth.
DELAYS_S: Final = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_WAIT_S: Final = 86_400
# An answer that is about this event alone: the next event may be accepted.
REJECTED: Final = frozenset({400, 413, 422})
MAX_REJECTIONS: Final = 4  # attempts of one event; about six minutes
GONE: Final = 410
SUCCESS: Final = range(200, 300)

DisabledReason = Literal["", "by_hand", "gone", "failing"]
"""`gone`: it answered 410. `failing`: it accepted nothing for about 75 hours."""


class SealedSecret(msgspec.Struct, frozen=True):
    """A secret, sealed with the shop's data key. From `until_ms` on it signs nothing; 0 = for ever."""

    sealed: bytes
    until_ms: int = 0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of a shop's events. `events`: the types that it gets."""

    id: str
    url: str
    events: tuple[EventType, ...]
    secrets: tuple[SealedSecret, ...]
    by: str
    created_ms: int
    disabled: DisabledReason = ""


class EndpointState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the events of an endpoint are delivered. An id is that of the last entry of a stream that is done with."""

    ledger: str = "0-0"
    notices: str = "0-0"
    attempts: int = 0  # of the next event, in a row
    due_ms: int = 0  # no attempt before
    delivered: int = 0
    succeeded_ms: int = 0  # the last success
    failed_ms: int = 0  # the last failure
    failure: str = ""  # what the last failure was; "" after a success


class Answer(NamedTuple):
    """What came of one attempt. `status` is None without a response; `text` says what happened, for people."""

    status: int | None
    text: str = ""
    retry_after_s: int = 0


class Decision(NamedTuple):
    """What follows. `advance`: the event is done with. `is_dead`: it was not accepted. `wait_s`: until the next attempt."""

    advance: bool
    is_dead: bool = False
    wait_s: int = 0
    disable: DisabledReason = ""


def after_answer(answer: Answer, *, attempts: int, jitter: float) -> Decision:
    """What follows from an answer after this many earlier failures of the same event. `jitter` is from 0 to 1."""
    if answer.status in SUCCESS:
        return Decision(advance=True)
    if answer.status == GONE:
        return Decision(advance=False, disable="gone")
    if answer.status in REJECTED and attempts + 1 >= MAX_REJECTIONS:
        return Decision(advance=True, is_dead=True)
    if attempts >= len(DELAYS_S):
        return Decision(advance=False, disable="failing")
    wait_s = max(DELAYS_S[attempts], min(answer.retry_after_s, MAX_WAIT_S))
    return Decision(advance=False, wait_s=int(wait_s * (1 + jitter / 5)))


def next_state(
    before: EndpointState, after: EndpointState, decision: Decision, failure: str, *, now_ms: int
) -> EndpointState:
    """The state after an attempt. `after` has how far the endpoint is if it is done with the event."""
    if not decision.advance:
        due_ms = now_ms + decision.wait_s * 1000
        return msgspec.structs.replace(
            before, attempts=before.attempts + 1, due_ms=due_ms, failed_ms=now_ms, failure=failure
        )
    done = msgspec.structs.replace(after, attempts=0, due_ms=0, failure=failure)
    if decision.is_dead:
        return msgspec.structs.replace(done, failed_ms=now_ms)
    return msgspec.structs.replace(done, succeeded_ms=now_ms, delivered=before.delivered + 1)


def is_due(endpoint: Endpoint, state: EndpointState, *, now_ms: int) -> bool:
    """Whether events may be sent to the endpoint now."""
    return not endpoint.disabled and state.due_ms <= now_ms


def rotated(endpoint: Endpoint, sealed: bytes, *, now_ms: int) -> Endpoint:
    """The endpoint with a new secret. The former one signs as well for a day; one before it no more."""
    former = [msgspec.structs.replace(each, until_ms=now_ms + ROTATION_MS) for each in endpoint.secrets[:1]]
    return msgspec.structs.replace(endpoint, secrets=(SealedSecret(sealed), *former))


def valid_secrets(endpoint: Endpoint, *, now_ms: int) -> tuple[SealedSecret, ...]:
    """The secrets that sign a request now, the newest first."""
    return tuple(each for each in endpoint.secrets if not each.until_ms or each.until_ms > now_ms)
