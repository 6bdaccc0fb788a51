"""What the doctor needs to know of a shop, read in one pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from service.domain.customers import Customer, OrgId
from service.domain.events import Endpoint, EndpointState
from service.errors import MalformedData
from service.store import scheduled, working_copies
from service.store.client import RedisClient, keys, server_time_ms
from service.store.customers import read_snapshot, snapshots
from service.store.encryption import fingerprint_of
from service.store.events import endpoints
from service.store.history import ShopWebhooks, rejections
from service.store.jobs import NightlyRun, nightly
from service.store.queue import ShopBacklog, dead_letters, decode_backlog, queue_backlogs
from service.store.working_copies import ApprovalRequest

MAX_SAMPLE: Final = 100  # snapshots
MAX_LETTERS: Final = 500  # customers whose dead letters are counted by cause
MAX_CHANGES: Final = 1_000  # manual changes that are counted
CHANGES_MS: Final = 24 * 3_600_000  # the span in which they are counted
BREAKERS: Final = ("read", "write")


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """One shop at one moment."""

    org: OrgId
    now_ms: int  # of the Redis server
    webhooks: ShopWebhooks
    backlog: ShopBacklog
    dead_letters: Mapping[str, int]  # letters by kind of cause; of some hundred customers if there are more
    open_breakers: Mapping[str, int]  # `read` or `write` -> ms until which calls of this kind wait
    nightly: NightlyRun | None  # the last complete one
    manual_changes: int  # of our tags within a day, at most `MAX_CHANGES`
    live_version: int  # 0 = none
    is_publish_stopped: bool  # a scheduled publish did not go live when it was due
    request: ApprovalRequest | None  # a marketer waits for an approval of the draft
    customers: int | None  # that Haravan counted; None before the first scan
    known: int  # customers with a snapshot
    sample: tuple[Customer, ...]  # some of them, chosen at random; personal data stays sealed
    key_fingerprints: frozenset[str]  # of the keys of SECRET_KEY that wrap the shop's data keys
    endpoints: Sequence[tuple[Endpoint, EndpointState]]  # to which events are sent


async def load_shop_facts(redis: RedisClient, org: OrgId) -> ShopFacts:
    """Load the facts of one shop. The sample bounds how much is read, however many customers there are."""
    now_ms = await server_time_ms(redis, org)
    async with redis.pipeline(transaction=False) as pipe:
        queue_backlogs(pipe, [org])
        rejections.queue_shop_webhooks(pipe, org)
        pipe.hscan(keys.shop(org, "dead_letters"), 0, count=MAX_LETTERS)
        pipe.hmget(
            keys.shop(org, "state"), *(f"{kind}_open_until" for kind in BREAKERS), snapshots.COUNT_FIELD
        )
        pipe.hmget(keys.shop(org, "nightly"), *nightly.RUN_FIELDS)
        pipe.xrevrange(keys.shop(org, "drift"), "+", now_ms - CHANGES_MS, count=MAX_CHANGES)
        pipe.get(keys.shop(org, "live_version"))
        pipe.hlen(keys.shop(org, "snapshots"))
        pipe.hrandfield(keys.shop(org, "snapshots"), MAX_SAMPLE, withvalues=True)
        pipe.hvals(keys.shop(org, "data_keys"))
        pipe.get(keys.shop(org, scheduled.SCHEDULED_KEY))
        pipe.get(keys.shop(org, working_copies.REQUEST_KEY))
        endpoints.queue_list(pipe, org)
        replies = await pipe.execute()
    (
        backlog,
        rejected,
        last,
        letters,
        state,
        run,
        changes,
        live,
        known,
        sample,
        wrapped,
        entry,
        request,
        *stored,
    ) = replies
    publish = scheduled.decode(entry)
    *until, customers = state
    return ShopFacts(
        org=org,
        now_ms=now_ms,
        webhooks=rejections.decode_shop_webhooks(org, rejected, last),
        backlog=decode_backlog(org, backlog),
        dead_letters=dead_letters.count_causes(letters[1].values()),
        open_breakers={
            kind: int(end) for kind, end in zip(BREAKERS, until, strict=True) if int(end or 0) > now_ms
        },
        nightly=nightly.decode_run(run),
        manual_changes=len(changes),
        live_version=int(live or 0),
        is_publish_stopped=publish is not None and publish.stop is not None,
        request=working_copies.decode_request(request),
        customers=None if customers is None else int(customers),
        known=known,
        sample=_customers(sample),
        key_fingerprints=frozenset(map(fingerprint_of, wrapped)),
        endpoints=endpoints.decode_list(*stored),
    )


def _customers(pairs: Sequence[Any]) -> tuple[Customer, ...]:
    """The readable snapshots of a flat reply: name, value, name, value."""
    customers: list[Customer] = []
    for stored in pairs[1::2]:
        try:
            customers.append(read_snapshot(stored).facts)
        except MalformedData:
            continue  # the next reading of the customer replaces it
    return tuple(customers)
