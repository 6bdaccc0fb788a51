"""Odd bodies of signed webhooks: which customer each marks, or why it marks none.

A body from which an id can be read marks its customer, however odd the rest is. A body that nobody can read is refused
if it is compressed, because its sender can be repaired; any other is acknowledged, because a retry would not help.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from tests.hostile.edge import Edge, milliseconds_since
from tests.hostile.verdict import Verdict

TABLE: Final = "webhook bodies"
MARKED: Final = "200 marked 7"
UNREADABLE: Final = "200 ignored:unreadable"
BAD_ID: Final = "200 ignored:bad_id"
NO_CUSTOMER: Final = "200 ignored:no_customer"
COMPRESSED: Final = "415"
MIB: Final = 1024 * 1024
MARKS: Final = "\u0300\u0316" * 30_000  # in the wrong order, so that normalising has to sort them


@dataclass(frozen=True, slots=True)
class Row:
    """One body. `expected` is the status, and the outcome and the customer of its record."""

    name: str
    body: bytes
    expected: str = MARKED
    topic: str = "customers/update"


def encoded(**fields: Any) -> bytes:
    """A body with the id 7 and these fields."""
    return json.dumps({"id": 7, **fields}, ensure_ascii=False).encode("utf-8", "surrogatepass")


def raw(fields: str) -> bytes:
    """A body with the id 7 and these fields as they are written."""
    return f'{{"id": 7, {fields}}}'.encode("utf-8", "surrogatepass")


def json_rows() -> Iterator[Row]:
    """JSON that strict decoders refuse, or read in different ways."""
    plain = b'{"id": 7, "first_name": "A"}'
    yield Row("a byte-order mark", b"\xef\xbb\xbf" + plain)
    yield Row("two byte-order marks", b"\xef\xbb\xbf" * 2 + plain)
    yield Row("a byte-order mark behind blanks", b"\r\n \xef\xbb\xbf" + plain)
    yield Row("UTF-16 with its mark", plain.decode().encode("utf-16"))
    yield Row("UTF-16, little endian", plain.decode().encode("utf-16-le"))
    yield Row("UTF-16, big endian", plain.decode().encode("utf-16-be"))
    yield Row("UTF-32", plain.decode().encode("utf-32"))
    yield Row("Latin-1", '{"id": 7, "first_name": "Ánh"}'.encode("latin-1"))
    yield Row("Windows-1258", b'{"id": 7, "first_name": "\xc1nh H\xf2a"}')
    yield Row("a broken sequence of UTF-8", b'{"id": 7, "note": "a\xe1\xbbb"}')
    yield Row("UTF-8 cut within a character", b'{"id": 7, "note": "\xe1\xbb"}')
    yield Row("an overlong sequence", b'{"id": 7, "note": "\xc0\xaf"}')
    yield Row("a surrogate in UTF-8 bytes", b'{"id": 7, "note": "\xed\xa0\x80"}')
    yield Row("a high half surrogate", raw(r'"note": "\ud800"'))
    yield Row("a low half surrogate", raw(r'"note": "\udc00"'))
    yield Row("surrogates in the wrong order", raw(r'"note": "\udc00\ud800"'))
    yield Row("a half surrogate in a key", raw(r'"\ud800": 1'))
    yield Row("a half surrogate in a nested list", raw(r'"addresses": [["\ud800"]]'))
    yield Row("a code point beyond Unicode's text", raw(r'"note": "￿"'))
    yield Row("NUL in a text", raw(r'"note": "\u0000"'))
    yield Row("a bare NUL in a text", b'{"id": 7, "note": "a\x00b"}')
    yield Row("a bare line break in a text", b'{"id": 7, "note": "a\nb"}')
    yield Row("a bare tab in a text", b'{"id": 7, "note": "a\tb"}')
    yield Row("an escape character in a text", b'{"id": 7, "note": "\x1b[31m"}')
    yield Row("NaN", raw('"total_spent": NaN'))
    yield Row("Infinity", raw('"total_spent": Infinity'))
    yield Row("-Infinity", raw('"orders_count": -Infinity'))
    yield Row("NaN in a field that nobody reads", raw('"made_up": [NaN, {"x": NaN}]'))
    yield Row("bytes behind the object", plain + b"\x00\x00")
    yield Row("a second object behind it", plain + b'{"id": 8}')
    yield Row("a line break behind it", plain + b"\r\n")
    yield Row("blanks before it", b" " * 100_000 + plain)
    yield Row("blanks up to 1 MiB", plain.ljust(MIB))
    yield Row("a doubled field", raw('"note": "a", "note": "b"'))
    yield Row("a doubled id: the last counts", b'{"id": 8, "id": 7}')
    yield Row("a doubled id, read leniently", b'{"id": 8, "note": NaN, "id": 7}')
    yield Row("an id behind a large field", b'{"note": "' + b"x" * 900_000 + b'", "id": 7}')
    yield Row("the key `id` written with escapes", rb'{"\u0069\u0064": 7}')
    yield Row("an empty key", raw('"": 1'))
    yield Row("keys in capitals are other keys", b'{"ID": 8, "Id": 9, "id": 7}')
    yield Row("a key of 100,000 letters", raw(f'"{"k" * 100_000}": 1'))
    yield Row("10,000 keys", encoded(**{f"k{number}": number for number in range(10_000)}))
    yield Row("a list of 100,000 elements", encoded(addresses=[0] * 100_000))
    yield Row("900 levels of lists", raw(f'"x": {"[" * 900}{"]" * 900}'))
    yield Row("200 levels of objects", raw('"x": ' + '{"a":' * 200 + "1" + "}" * 200))
    yield Row("100,000 levels of lists", raw(f'"x": {"[" * 100_000}'), UNREADABLE)
    yield Row("nothing", b"", UNREADABLE)
    yield Row("blanks alone", b" \r\n\t ", UNREADABLE)
    yield Row("a byte-order mark alone", b"\xef\xbb\xbf", UNREADABLE)
    yield Row("null", b"null", UNREADABLE)
    yield Row("a number", b"7", UNREADABLE)
    yield Row("a text", b'"7"', UNREADABLE)
    yield Row("a list of customers", b'[{"id": 7}]', UNREADABLE)
    yield Row("cut off", b'{"id": 7, "first_name": "A', UNREADABLE)
    yield Row("a form", b"id=7&first_name=A", UNREADABLE)
    yield Row("XML", b'<customer id="7"/>', UNREADABLE)
    yield Row("HTML of a proxy's error", b"<html><h1>502 Bad Gateway</h1></html>", UNREADABLE)
    yield Row("Python's notation", b"{'id': 7}", UNREADABLE)
    yield Row("a comma too many", b'{"id": 7,}', UNREADABLE)
    yield Row("a comment", b'{"id": 7 /* the customer */}', UNREADABLE)
    yield Row("a key without quotes", b"{id: 7}", UNREADABLE)
    yield Row("an empty object", b"{}", NO_CUSTOMER)


def id_rows() -> Iterator[Row]:
    """Ids, odd and good."""
    bad = {
        "missing": "{}",
        "null": '{"id": null}',
        "true": '{"id": true}',
        "zero": '{"id": 0}',
        "negative": '{"id": -7}',
        "minus zero": '{"id": -0}',
        "a fraction": '{"id": 7.0}',
        "an exponent": '{"id": 7e0}',
        "2^63": '{"id": 9223372036854775808}',
        "2^64": '{"id": 18446744073709551616}',
        "20 digits": f'{{"id": {"9" * 20}}}',
        "5,000 digits": f'{{"id": {"9" * 5_000}}}',
        "500,000 digits": f'{{"id": {"9" * 500_000}}}',
        "500,000 digits, read leniently": f'{{"note": NaN, "id": {"9" * 500_000}}}',
        "an empty text": '{"id": ""}',
        "a word": '{"id": "seven"}',
        "text with a sign": '{"id": "+7"}',
        "text with a blank": '{"id": " 7"}',
        "text in hexadecimal": '{"id": "0x7"}',
        "text with an underscore": '{"id": "1_000"}',
        "text in Arabic digits": '{"id": "٧"}',
        "text in fullwidth digits": '{"id": "７"}',
        "text of 20 digits": f'{{"id": "{"9" * 20}"}}',
        "a list": '{"id": [7]}',
        "an object": '{"id": {"id": 7}}',
        "NaN": '{"id": NaN}',
        "a half surrogate": r'{"id": "\ud800"}',
    }
    for name, body in bad.items():
        yield Row(f"an id that is no id: {name}", body.encode(), NO_CUSTOMER if name == "missing" else BAD_ID)
    yield Row("an id as text", b'{"id": "7"}')
    yield Row("an id as text with zeros in front", b'{"id": "007"}')
    yield Row("the smallest id", b'{"id": 1}', "200 marked 1")
    yield Row("the largest id", b'{"id": 9223372036854775807}', "200 marked 9223372036854775807")


def envelope_rows() -> Iterator[Row]:
    """Bodies of other topics, and customers in envelopes."""
    yield Row("an envelope", b'{"customer": {"id": 7}}')
    yield Row("an envelope with an id of its own", b'{"id": 8, "customer": {"id": 7}}')
    yield Row("an envelope within an envelope", b'{"customer": {"customer": {"id": 7}}}', NO_CUSTOMER)
    yield Row("an envelope of null", b'{"id": 7, "customer": null}')
    yield Row("an envelope of a number", b'{"id": 7, "customer": 8}')
    yield Row("an envelope of a list", b'{"id": 7, "customer": [{"id": 8}]}')
    yield Row("an envelope with a bad id", b'{"id": 8, "customer": {"id": -7}}', BAD_ID)
    yield Row("an order's customer", b'{"id": 8, "customer": {"id": 7}}', topic="orders/paid")
    yield Row("an order's customer, read leniently", rb'{"id": 8, "note": "\ud800", "customer": {"id": 7}}', topic="orders/paid")  # fmt: skip
    yield Row("an order's customer with NaN", b'{"customer": {"id": 7, "total_spent": NaN}}', topic="orders/paid")  # fmt: skip
    yield Row("an order without a customer", b'{"id": 7}', NO_CUSTOMER, "orders/create")
    yield Row("an order whose customer is null", b'{"customer": null}', NO_CUSTOMER, "orders/create")
    yield Row("an order whose customer has no id", b'{"customer": {"email": "a@example.com"}}', NO_CUSTOMER, "orders/create")  # fmt: skip
    yield Row("an order whose customer has a bad id", b'{"customer": {"id": "x"}}', BAD_ID, "orders/create")
    yield Row("an order that nobody can read", b"id=7", UNREADABLE, "orders/create")
    yield Row("a refund's customer", b'{"customer": {"id": 7}}', topic="refunds/create")
    yield Row("a topic in capitals", b'{"id": 7}', topic="CUSTOMERS/UPDATE")
    yield Row("a topic of 5,000 letters", b'{"id": 7}', NO_CUSTOMER, "t" * 5_000)
    yield Row("a topic of other bytes", b'{"id": 7}', NO_CUSTOMER, "đơn-hàng/mới")
    yield Row("a topic of one customer that is unknown", b'{"id": 7}', topic="customers/merged")
    yield Row("a deletion, read leniently", b'{"id": 7, "note": NaN}', topic="customers/delete")
    yield Row("an uninstallation", b'{"id": 7}', "200 ignored:uninstalled", "app/uninstalled")
    yield Row("an uninstallation with NaN", b'{"id": NaN}', "200 ignored:uninstalled", "app/uninstalled")


TEXTS: Final = ("first_name", "note", "tags", "group_name", "email", "state")
NUMBERS: Final = ("total_spent", "orders_count", "gender")
TIMES: Final = ("updated_at", "created_at", "last_order_date", "birthday")
FLAGS: Final = ("accepts_marketing", "verified_email")


def field_rows() -> Iterator[Row]:
    """Fields of other types and sizes. The drain fetches the record, so the id is enough."""
    for field in TEXTS:
        yield Row(f"{field}: 60,000 combining marks", encoded(**{field: "a" + MARKS}))
        yield Row(f"{field}: 900,000 letters", encoded(**{field: "ế" * 300_000}))
        yield Row(f"{field}: a list", encoded(**{field: ["VIP", 1, None]}))
        yield Row(f"{field}: a half surrogate", raw(rf'"{field}": "\ud800"'))
    for field in NUMBERS:
        yield Row(f"{field}: 1e1000000 as text", encoded(**{field: "1e1000000"}))
        yield Row(f"{field}: 1e1000000 as a number", raw(f'"{field}": 1e1000000'))
        yield Row(f"{field}: -1e-1000000", raw(f'"{field}": -1e-1000000'))
        yield Row(f"{field}: 1e99999999999999999999", raw(f'"{field}": 1e99999999999999999999'))
        yield Row(f"{field}: 400 digits", raw(f'"{field}": {"9" * 400}'))
        yield Row(f"{field}: 300,000 digits as text", encoded(**{field: "9" * 300_000}))
        yield Row(f"{field}: NaN as text", encoded(**{field: "NaN"}))
        yield Row(f"{field}: dots between thousands", encoded(**{field: "10.000.000"}))
    for field in TIMES:
        yield Row(f"{field}: the year 1", encoded(**{field: "0001-01-01T00:00:00"}))
        yield Row(f"{field}: the year 0", encoded(**{field: "0000-00-00"}))
        yield Row(
            f"{field}: the year 9999 west of Greenwich", encoded(**{field: "9999-12-31T23:59:59-12:00"})
        )
        yield Row(f"{field}: no such day", encoded(**{field: "1990-02-29"}))
        yield Row(f"{field}: the day first", encoded(**{field: "28/11/2026"}))
        yield Row(f"{field}: an offset of a hundred hours", encoded(**{field: "2026-01-01T00:00:00+99:99"}))
        yield Row(f"{field}: a number", encoded(**{field: 10**30}))
    for field in FLAGS:
        yield Row(f"{field}: a word", encoded(**{field: "perhaps"}))
        yield Row(f"{field}: an object", encoded(**{field: {"a": []}}))
    address = {
        "a list": [1],
        "a text": "12 Lý Thường Kiệt",
        "numbers inside": {"province": 79, "district": 1.5},
        "combining marks inside": {"province": "a" + MARKS},
        "a half surrogate inside": {"ward": "\ud800"},
        "lists inside": {"province": [[[]]]},
    }
    for name, value in address.items():
        yield Row(f"default_address: {name}", json.dumps({"id": 7, "default_address": value}).encode())


def compressed_rows() -> Iterator[Row]:
    """Compressed bodies without a header that says so."""
    plain = b'{"id": 7, "first_name": "A"}'
    yield Row("gzip", gzip.compress(plain), COMPRESSED)
    yield Row("gzip of 10 MB of blanks", gzip.compress(b" " * 10_000_000), COMPRESSED)
    yield Row("gzip cut off", gzip.compress(plain * 100)[:30], COMPRESSED)
    yield Row("deflate", zlib.compress(plain), COMPRESSED)
    yield Row("deflate without a head", zlib.compress(plain * 10, wbits=-15), COMPRESSED)
    yield Row("zstd", b"\x28\xb5\x2f\xfd\x04\x58\xe1\x00\x00" + plain, COMPRESSED)
    yield Row("br", b"\x0b\x0d\x80" + plain + b"\x03", COMPRESSED)
    yield Row("xz", b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46", COMPRESSED)
    yield Row("lz4", b"\x04\x22\x4d\x18\x64\x40\xa7" + plain, COMPRESSED)
    yield Row("a picture", b"\x89PNG\r\n\x1a\n" + bytes(200), COMPRESSED)
    yield Row("random bytes", bytes(range(255, 0, -1)) * 100, COMPRESSED)


ROWS: Final = (*json_rows(), *id_rows(), *envelope_rows(), *field_rows(), *compressed_rows())


async def run(edge: Edge, row: Row) -> Verdict:
    """Send the row's body, then a webhook of another customer and one of another shop."""
    await edge.forget_deliveries()  # two rows may have the same body
    before = await edge.last_delivery()
    started_s = perf_counter()
    answers = await edge.deliver(row.body, topic=row.topic)
    took_ms = milliseconds_since(started_s)
    delivery = await edge.last_delivery()
    got = str(answers)
    if delivery is not None and (before is None or delivery.id != before.id):
        got += f" {delivery.outcome}" + (f" {delivery.customer}" if delivery.customer else "")
    return Verdict(TABLE, row.name, row.expected, got, tuple(await edge.harmed()), took_ms)
