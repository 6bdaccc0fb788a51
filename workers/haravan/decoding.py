"""Decodes response bodies. Customers are decoded one by one, so that a malformed record affects only itself."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from service.domain.customers import (
    CustomerId,
    CustomerRecord,
    decode_leniently,
    exact_decimal,
    parse_customer_id,
    parse_record,
    parse_tag_string,
)
from service.errors import ApiUnavailable, MalformedData
from service.runtime import last_frames
from service.sentence import Sentence

Raw = dict[str, Any]
"""A JSON object as the API sent it. Fractions are Decimals; encode them with `msgspec.json.Encoder(decimal_format="number")`."""


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that cannot be decoded. `customer` is None if the id cannot be decoded either."""

    customer: CustomerId | None
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The customers of one list response, in its order."""

    records: tuple[CustomerRecord, ...] = ()
    unreadable: tuple[UnreadableRecord, ...] = ()

    def __len__(self) -> int:
        return len(self.records) + len(self.unreadable)

    @property
    def ids(self) -> frozenset[CustomerId]:
        """The ids of all records, readable or not."""
        unreadable = (record.customer for record in self.unreadable if record.customer is not None)
        return frozenset((*(CustomerId(record.customer.id) for record in self.records), *unreadable))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The requested ids that a list has and lacks, and the ids in it that were not requested."""

    found: frozenset[CustomerId]
    missing: frozenset[CustomerId]
    unexpected: frozenset[CustomerId]

    @property
    def mismatched(self) -> bool:
        """Whether the list ignored the request: most of it was not requested.

        A missing customer proves nothing: it may be deleted. One record with a wrong id proves nothing either: it would
        slow down its whole shop, because each customer would be read alone.
        """
        return len(self.unexpected) > max(1, len(self.found))


def compare(requested: Iterable[CustomerId], batch: Batch) -> Comparison:
    """Compare the ids of a list response with the requested ids."""
    expected = frozenset(requested)
    listed = batch.ids
    return Comparison(found=expected & listed, missing=expected - listed, unexpected=listed - expected)


JsonSource = bytes | msgspec.Raw


class _Record(msgspec.Struct):
    customer: msgspec.Raw


class _Page(msgspec.Struct):
    customers: list[msgspec.Raw]


class _RawRecord(msgspec.Struct):
    customer: Raw


class _RawPage(msgspec.Struct):
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


_record = msgspec.json.Decoder(_Record)
_page = msgspec.json.Decoder(_Page)
_raw_record = msgspec.json.Decoder(_RawRecord, float_hook=exact_decimal)
_raw_page = msgspec.json.Decoder(_RawPage, float_hook=exact_decimal)
_groups = msgspec.json.Decoder(_Groups)
_orders = msgspec.json.Decoder(_Orders, float_hook=exact_decimal)
_shop = msgspec.json.Decoder(_Shop)
_count = msgspec.json.Decoder(_Count, strict=False)
_tags = msgspec.json.Decoder(_Tags)
_id = msgspec.json.Decoder(_Id)


def decode_record(body: bytes) -> CustomerRecord:
    """Decode `{"customer": {…}}`. Raises MalformedData if the record is malformed.

    Raises ApiUnavailable if it has no readable id: nothing says that it is the requested customer's.
    """
    try:
        record: JsonSource = _record.decode(body).customer
    except msgspec.ValidationError:
        raise  # JSON, but not what the API promises
    except msgspec.DecodeError:
        objects = parse_leniently(body, "customer")
        if not objects:
            raise
        record = objects[0][0]
    try:
        return _parse(record)
    except MalformedData as exc:
        if _id_of(record, None) is None:
            raise ApiUnavailable(
                Sentence("the API answered with a record without an id"), status=200
            ) from exc
        raise


@dataclass(frozen=True, slots=True)
class RawBatch:
    """The customers of one list response before they are parsed. `ids` has None where the id cannot be decoded."""

    raws: tuple[JsonSource, ...]
    ids: tuple[CustomerId | None, ...]

    def __len__(self) -> int:
        return len(self.raws)

    def parse(self, *, skip: Collection[CustomerId] = ()) -> Batch:
        """Parse each record on its own. Those of `skip` are not parsed and count as unreadable."""
        records: list[CustomerRecord] = []
        unreadable: list[UnreadableRecord] = []
        for raw, customer in zip(self.raws, self.ids, strict=True):
            if customer in skip:
                unreadable.append(UnreadableRecord(customer, "it ended an earlier read"))
                continue
            try:
                records.append(_parse(raw))
            except MalformedData as exc:
                unreadable.append(UnreadableRecord(customer, str(exc)))
        return Batch(tuple(records), tuple(unreadable))


def decode_raw_batch(body: bytes) -> RawBatch:
    """Decode `{"customers": [{…}, …]}` as far as the ids."""
    objects = list(_objects(body))
    return RawBatch(tuple(raw for raw, _ in objects), tuple(_id_of(*item) for item in objects))


def decode_batch(body: bytes) -> Batch:
    """Decode `{"customers": [{…}, …]}`, each record on its own."""
    return decode_raw_batch(body).parse()


def _parse(raw: JsonSource) -> CustomerRecord:
    """The parsed record. Raises MalformedData, also for a bug of ours: it must not fail the other records of a list."""
    try:
        return parse_record(raw)
    except MalformedData:
        raise
    except Exception as exc:  # around one customer's record
        raise MalformedData(f"a bug prevents this record from being read: {last_frames(exc)}") from exc


def _objects(body: bytes) -> Iterable[tuple[JsonSource, object]]:
    """The JSON of each record, and its id if only the lenient parser could read it."""
    try:
        return [(raw, None) for raw in _page.decode(body).customers]
    except msgspec.ValidationError:
        raise  # JSON, but not what the API promises
    except msgspec.DecodeError:
        objects = parse_leniently(body, "customers")
        if objects is None:
            raise
        return objects


def decode_raw_customer(body: bytes) -> Raw:
    return _raw_record.decode(body).customer


def decode_raw_customers(body: bytes) -> list[Raw]:
    return _raw_page.decode(body).customers


def decode_groups(body: bytes) -> list[Raw]:
    return _groups.decode(body).customer_groups


def decode_orders(body: bytes) -> list[Raw]:
    return _orders.decode(body).orders


def decode_shop(body: bytes) -> Raw:
    return _shop.decode(body).shop


def decode_count(body: bytes) -> int:
    return _count.decode(body).count


def decode_tags(body: bytes) -> tuple[str, ...]:
    """Decode `{"tags": "VIP,a1"}`, the complete list after a change. The key is required.

    Raises MalformedData for tags that no record may have.
    """
    tags = _tags.decode(body).tags
    try:
        return parse_tag_string(tags)
    except ValueError as exc:
        raise MalformedData("the tags are too long, or no text") from exc


def ignore_body(body: bytes) -> None:
    """The response to a deletion is `[]`, `{}` or empty."""
    del body


def _id_of(raw: JsonSource, identity: object) -> CustomerId | None:
    try:
        return parse_customer_id(_id.decode(raw).id if identity is None else identity)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, MalformedData):
        return None


def parse_leniently(body: bytes, key: str) -> list[tuple[bytes, object]] | None:
    """The object or objects under `key` of malformed JSON, each as valid JSON with its id; None if that fails.

    Half a character (a name cut in the middle of an emoji), a bare control character or a NaN makes a page malformed
    as a whole. Each object is encoded again, and `parse_record` finds which of its fields are broken.
    """
    try:
        content = decode_leniently(body)
    except MalformedData:
        return None
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list | dict):
        return None
    objects = value if isinstance(value, list) else [value]
    return [(_reencode(item), item.get("id") if isinstance(item, dict) else None) for item in objects]


def _reencode(item: object) -> bytes:
    return json.dumps(item, default=_from_decimal).encode()


def _from_decimal(number: Decimal) -> str | float:
    return str(number) if number.is_finite() else math.nan
