"""Bodies of good answers, decoded: customers one by one, so that a broken record spoils nobody but itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from service.domain.customers import CustomerId, read_id
from service.domain.money import exact_decimal
from service.domain.records import Record, read_record
from service.domain.tags import split_tags
from service.errors import Unreadable
from workers.haravan.lenient import reread
from workers.haravan.records import Batch, Poison, Raw

Source = bytes | msgspec.Raw


class _One(msgspec.Struct):
    customer: msgspec.Raw


class _Many(msgspec.Struct):
    customers: list[msgspec.Raw]


class _RawOne(msgspec.Struct):
    customer: Raw


class _RawMany(msgspec.Struct):
    customers: list[Raw]


class _Groups(msgspec.Struct):
    customer_groups: list[Raw]


class _Orders(msgspec.Struct):
    orders: list[Raw]


class _Shop(msgspec.Struct):
    shop: Raw


class _Count(msgspec.Struct):
    count: int


class _Tags(msgspec.Struct):
    tags: str | None


class _Id(msgspec.Struct):
    id: int | str


_one = msgspec.json.Decoder(_One)
_many = msgspec.json.Decoder(_Many)
_raw_one = msgspec.json.Decoder(_RawOne, float_hook=exact_decimal)
_raw_many = msgspec.json.Decoder(_RawMany, float_hook=exact_decimal)
_groups = msgspec.json.Decoder(_Groups)
_orders = msgspec.json.Decoder(_Orders, float_hook=exact_decimal)
_shop = msgspec.json.Decoder(_Shop)
_count = msgspec.json.Decoder(_Count, strict=False)
_tags = msgspec.json.Decoder(_Tags)
_id = msgspec.json.Decoder(_Id)


def one(body: bytes) -> Record:
    """`{"customer": {…}}`; raises Unreadable for a record that cannot be read."""
    try:
        found: Source = _one.decode(body).customer
    except msgspec.ValidationError:
        raise  # JSON, but not what the API promises
    except msgspec.DecodeError:
        again = reread(body, "customer")
        if not again:
            raise
        found = again[0][0]
    return read_record(found)


def many(body: bytes) -> Batch:
    """`{"customers": [{…}, …]}`, each decoded alone."""
    records: list[Record] = []
    poisons: list[Poison] = []
    for raw, identity in _each(body):
        try:
            records.append(read_record(raw))
        except Unreadable as exc:
            poisons.append(Poison(_id_of(raw, identity), str(exc)))
    return Batch(tuple(records), tuple(poisons))


def _each(body: bytes) -> Iterable[tuple[Source, object]]:
    """Every record's JSON, and its id where only a second reading could tell it."""
    try:
        return [(raw, None) for raw in _many.decode(body).customers]
    except msgspec.ValidationError:
        raise  # JSON, but not what the API promises
    except msgspec.DecodeError:
        again = reread(body, "customers")
        if again is None:
            raise
        return again


def raw_one(body: bytes) -> Raw:
    return _raw_one.decode(body).customer


def raw_many(body: bytes) -> list[Raw]:
    return _raw_many.decode(body).customers


def groups(body: bytes) -> list[Raw]:
    return _groups.decode(body).customer_groups


def orders(body: bytes) -> list[Raw]:
    return _orders.decode(body).orders


def shop(body: bytes) -> Raw:
    return _shop.decode(body).shop


def count(body: bytes) -> int:
    return _count.decode(body).count


def tags(body: bytes) -> tuple[str, ...]:
    """`{"tags": "VIP,a1"}`: the whole list after the change; the key must be there."""
    return split_tags(_tags.decode(body).tags)


def nothing(body: bytes) -> None:
    """`[]`, `{}` or an empty body: a deletion has nothing to say."""
    del body


def _id_of(raw: Source, identity: object) -> CustomerId | None:
    try:
        return read_id(_id.decode(raw).id if identity is None else identity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Unreadable):
        return None
