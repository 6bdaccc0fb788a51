"""What is stored of one customer: export all of it, or erase all of it. Also for an id that Haravan no longer has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from service.context import Context
from service.domain.access import Actor
from service.domain.customers import Customer, CustomerId, to_units
from service.errors import MalformedData
from service.sentence import Sentence
from service.store.client import keys
from service.store.customers import StoredCustomer, load_states, read_snapshot, to_stored_state
from service.store.history import audit_log, deliveries, drift, ledger
from service.store.queue import dead_letters, erase_customer
from service.store.shops import Shop

MAX_AUDIT: Final = 10_000  # entries of the shop that are searched for the customer


class Erasure(msgspec.Struct, frozen=True):
    """What was erased. `remaining_deliveries`: of webhooks that arrived together with those of other customers; they have
    the customer's id, no personal data, and expire after RETENTION_DAYS."""

    customer: CustomerId
    known: bool  # whether anything was stored by customer
    ledger: int
    manual_changes: int
    deliveries: int
    remaining_deliveries: int


async def export_personal_data(
    context: Context, shop: Shop, customer: CustomerId, *, by: Actor
) -> dict[str, Any]:
    """Everything that is stored of the customer, as plain data for JSON, unmasked. Nothing stored: empty values.

    It makes no API call: what Haravan itself has is exported there.
    """
    redis, org = context.redis, shop.org
    stored = (await load_states(redis, org, [customer]))[customer]
    data = {
        "org": org,
        "customer": customer,
        "exported_at": _moment(await context.now_ms()),
        "record": _record(stored, shop),
        **_state(stored),
        "scheduled": await _scheduled(context, shop, customer),
        "queued": bool(await context.redis.exists(keys.shop(org, f"mark:{customer}"))),
        "manual_changes": [
            {"at": _moment(int(entry_id.partition("-")[0])), "change": change}
            for entry_id, change in await drift.all_of_customer(redis, org, customer)
        ],
        "ledger": [
            {"at": _moment(row.at_ms)} | ledger.to_dict(row.entry)
            for row in await ledger.all_of_customer(redis, org, customer)
        ],
        "dead_letters": _plain(await dead_letters.for_customer(redis, org, customer)),
        "deliveries": [
            {
                "at": _moment(delivery.at_ms),
                "topic": delivery.topic,
                "outcome": delivery.outcome,
                "bytes": delivery.size,
            }
            for delivery in await deliveries.list_for_customer(redis, org, customer)
        ],
        "audit": [
            _plain(row.entry)
            for row in await audit_log.list_entries(redis, org, limit=MAX_AUDIT)
            if str(customer) in re.findall(r"\d+", row.entry.summary)
        ],
    }
    await audit_log.record(
        redis, by, "export_customer", org=org, summary=Sentence("customer {customer}", customer=customer)
    )
    return data


async def erase_personal_data(context: Context, shop: Shop, customer: CustomerId, *, by: Actor) -> Erasure:
    """Erase everything that is stored of the customer. It can be repeated. Nothing changes in Haravan.

    Tags that we gave count as added by hand from then on. If Haravan still has the customer and marks it again, it is
    evaluated like a new customer. The bytes leave the disk with the next rewrite of the append-only file, within a day.
    """
    redis, org = context.redis, shop.org
    await audit_log.record(
        redis, by, "erase_customer", org=org, summary=Sentence("customer {customer}", customer=customer)
    )
    stored = (await load_states(redis, org, [customer]))[customer]
    deleted, remaining = await deliveries.delete_of_customer(redis, org, customer)
    entries = await erase_customer(redis, org, customer)
    return Erasure(
        customer=customer,
        known=any(value is not None for value in stored),
        ledger=entries + await ledger.delete_of_customer(redis, org, customer),
        manual_changes=await drift.delete_of_customer(redis, org, customer),
        deliveries=deleted,
        remaining_deliveries=remaining,
    )


async def load_record(context: Context, shop: Shop, customer: CustomerId) -> dict[str, Any] | None:
    """The record of the customer as it was read last, unmasked: mask it before it is shown. None: it never was."""
    return _record((await load_states(context.redis, shop.org, [customer]))[customer], shop)


def _record(stored: StoredCustomer, shop: Shop) -> dict[str, Any] | None:
    """The last record that was read, as far as it is kept, with amounts in currency units."""
    if stored.snapshot is None:
        return None
    try:
        customer = read_snapshot(stored.snapshot).open(shop.cipher)
    except MalformedData as exc:
        return {"unreadable": str(exc)}
    fields = {name: value for name, value in msgspec.structs.asdict(customer).items() if value is not None}
    return {_PLAIN_NAMES.get(name, name): _plain_field(name, value) for name, value in fields.items()}


def _plain_field(name: str, value: Any) -> Any:
    if name.endswith("_ms"):
        return _moment(value)
    return to_units(value) if name == "total_spent" else _plain(value)


def _state(stored: StoredCustomer) -> dict[str, Any]:
    known = to_stored_state(stored)
    return {
        "tags_we_own": _plain(known.state.ownership),
        "holds": {owner: _plain(hold) | _days(hold) for owner, hold in known.state.holds.items()},
        "excluded_from": sorted(known.state.excluded_rules),
        "writes_under_way": _plain(known.intents),
        "to_restore": _plain(known.state.restores),
        "reverts": {tag: [_moment(at) for at in times] for tag, times in known.reverts.items()},
    }


def _days(hold: Any) -> dict[str, Any]:
    since, below = hold.since_day, hold.below_since
    return {
        "since_day": date.fromordinal(since).isoformat(),
        "below_since": None if below is None else date.fromordinal(below).isoformat(),
    }


async def _scheduled(context: Context, shop: Shop, customer: CustomerId) -> str | None:
    client: Any = context.redis
    day = await client.zscore(keys.shop(shop.org, "schedule"), str(customer))
    return None if day is None else date.fromordinal(int(day)).isoformat()


def _moment(at_ms: int) -> str:
    """ISO 8601 in UTC; the number itself if no calendar has it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return str(at_ms)


def _plain(value: Any) -> Any:
    """Structs as mappings with the names of their fields, also nested ones."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(item) for name, item in msgspec.structs.asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


_PLAIN_NAMES: Final = {
    name: name.removesuffix("_ms") + ("" if name == "birthday_ms" else "_at")
    for name in Customer.__struct_fields__
    if name.endswith("_ms")
}
