"""What the bytes of a webhook say."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import zlib
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customers.customer import digest
from service.domain.customers.records import parse_record
from service.domain.sync.webhooks import (
    DeliveryRecord,
    IgnoredReason,
    decode_delivery,
    delivery_id,
    encode_delivery,
    is_compressed,
    mark_cause,
    normalize_topic,
    parse_delivery,
    signature_digest,
)

VIETNAMESE = (
    '{"id":1037889951,"first_name":"Nguyễn Thị Ánh","tags":"Khách VIP","total_spent":261380000.0000}'.encode()
)
SECRETS = (b"an-older-one", b"1234")


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        pytest.param(b'{"name":"evan"}', b"MPjRYKoc2I99nNv0x3bzx4lSRjDHD7OfV5C/UX5Ijbc=", id="ascii"),
        pytest.param(VIETNAMESE, b"IQLV6Yw4T/897bX98/I0rSpoYAprug+WzpAQNHQU6Cg=", id="vietnamese"),
    ],
)
def test_the_published_vectors_are_signed(body: bytes, signature: bytes) -> None:
    digest = signature_digest(body, signature, SECRETS)

    assert digest is not None
    assert b64encode(digest) == signature


def _hmac(algorithm: str) -> bytes:
    return hmac.new(b"1234", VIETNAMESE, algorithm).digest()


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param(b"", id="missing"),
        pytest.param(b64encode(_hmac("sha256"))[:-1], id="truncated"),
        pytest.param(b64encode(_hmac("sha256")) + b"=", id="longer"),
        pytest.param(b64encode(_hmac("sha256"))[:-2] + b"A=", id="last character"),
        pytest.param(_hmac("sha256").hex().encode(), id="hex"),
        pytest.param(_hmac("sha256").hex().encode()[:44], id="hex of the right length"),
        pytest.param(b64encode(_hmac("sha1")), id="sha1"),
        pytest.param(b64encode(_hmac("sha1")).ljust(44, b"="), id="sha1 of the right length"),
        pytest.param("ế".encode() * 14 + b"ab", id="another alphabet"),
        pytest.param(b64encode(hmac.new(b"12345", VIETNAMESE, "sha256").digest()), id="another secret"),
        pytest.param(b64encode(hashlib.sha256(VIETNAMESE).digest()), id="no secret"),
    ],
)
def test_anything_else_is_not_signed(signature: bytes) -> None:
    assert signature_digest(VIETNAMESE, signature, SECRETS) is None


def test_without_secrets_nothing_is_signed() -> None:
    assert signature_digest(VIETNAMESE, b64encode(_hmac("sha256")), ()) is None


def test_a_body_that_was_encoded_again_is_not_signed() -> None:
    again = json.dumps(json.loads(VIETNAMESE), ensure_ascii=False).encode()

    assert signature_digest(again, b"IQLV6Yw4T/897bX98/I0rSpoYAprug+WzpAQNHQU6Cg=", SECRETS) is None


@pytest.mark.parametrize(
    ("topic", "body", "customer", "ignored_reason"),
    [
        pytest.param("customers/update", b'{"id": 7}', "7", "", id="bare"),
        pytest.param("customers/create", b'{"customer": {"id": 7}}', "7", "", id="in an envelope"),
        pytest.param("customers/delete", b'{"id": "7"}', "7", "", id="id as text"),
        pytest.param("customers/enable", b'{"id": 9223372036854775807}', "9223372036854775807", "", id="largest id"),
        pytest.param("customers/update", b'{"id": 7, "total_spent": "much"}', "7", "", id="an odd field"),
        pytest.param("customers/update", b'{"id": 7, "tags": ["VIP"]}', "7", "", id="odd tags"),
        pytest.param("orders/create", b'{"id": 5, "customer": {"id": 7}}', "7", "", id="an order's customer"),
        pytest.param("refunds/create", b'{"id": 5, "customer": {"id": 7}}', "7", "", id="a refund's customer"),
        pytest.param("never/heard-of", b'{"customer": {"id": 7}}', "7", "", id="unknown topic that names one"),
        pytest.param("", b'{"customer": {"id": 7}}', "7", "", id="no topic, but a name"),
        pytest.param("", b'{"id": 7}', "", IgnoredReason.NO_CUSTOMER, id="no topic and bare"),
        pytest.param("orders/create", b'{"id": 5}', "", IgnoredReason.NO_CUSTOMER, id="an order of nobody"),
        pytest.param("orders/create", b'{"id": 5, "customer": null}', "", IgnoredReason.NO_CUSTOMER, id="customer null"),
        pytest.param("orders/create", b'{"customer": {"email": "a@example.com"}}', "", IgnoredReason.NO_CUSTOMER, id="no id inside"),
        pytest.param("customers/update", b'{"first_name": "x"}', "", IgnoredReason.NO_CUSTOMER, id="id missing"),
        pytest.param("customers/update", b'{"id": -7}', "", IgnoredReason.BAD_ID, id="id negative"),
        pytest.param("customers/update", b'{"id": 0}', "", IgnoredReason.BAD_ID, id="id zero"),
        pytest.param("customers/update", b'{"id": null}', "", IgnoredReason.BAD_ID, id="id null"),
        pytest.param("customers/update", b'{"id": true}', "", IgnoredReason.BAD_ID, id="id true"),
        pytest.param("customers/update", b'{"id": 7.0}', "", IgnoredReason.BAD_ID, id="id with a fraction"),
        pytest.param("customers/update", b'{"id": "seven"}', "", IgnoredReason.BAD_ID, id="id a word"),
        pytest.param("customers/update", b'{"id": 9223372036854775808}', "", IgnoredReason.BAD_ID, id="id 2^63"),
        pytest.param("customers/update", b'{"id": 1' + b"0" * 400 + b"}", "", IgnoredReason.BAD_ID, id="id with 400 digits"),
        pytest.param("customers/update", b"", "", IgnoredReason.UNREADABLE, id="empty"),
        pytest.param("customers/update", b"id=7", "", IgnoredReason.UNREADABLE, id="not JSON"),
        pytest.param("customers/update", b'[{"id": 7}]', "", IgnoredReason.UNREADABLE, id="an array"),
        pytest.param("customers/update", b"7", "", IgnoredReason.UNREADABLE, id="a number"),
        pytest.param("customers/update", b'{"id": 7', "", IgnoredReason.UNREADABLE, id="cut off"),
        pytest.param("customers/update", b'{"id": 7, "note": "\xff"}', "7", "", id="not UTF-8"),
        pytest.param("customers/update", b'{"id": 7, "note": "\\ud800"}', "7", "", id="half a surrogate"),
        pytest.param("customers/update", b'{"id": 7, "total_spent": NaN, "orders_count": -Infinity}', "7", "", id="NaN"),
        pytest.param("customers/update", b'\xef\xbb\xbf{"id": 7}', "7", "", id="a byte-order mark"),
        pytest.param("customers/update", '{"id": 7}'.encode("utf-16"), "7", "", id="UTF-16"),
        pytest.param("customers/update", b'{"id": 7, "note": "a\x00b\nc"}', "7", "", id="control characters"),
        pytest.param("customers/update", b'{"id": 7}\x00\x00', "7", "", id="bytes behind it"),
        pytest.param("customers/update", b'{"id": 7, "total_spent": 1e1000000, "note": NaN}', "7", "", id="a number without end"),
        pytest.param("customers/update", b'{"note": NaN, "id": ' + b"9" * 100_000 + b"}", "", IgnoredReason.BAD_ID, id="an id without end"),
        pytest.param("orders/paid", b'{"customer": {"id": 7, "note": "\\udfff"}}', "7", "", id="an order with half a surrogate"),
        pytest.param("customers/update", b"[" * 200_000, "", IgnoredReason.UNREADABLE, id="nested without end"),
        pytest.param("app/uninstalled", b'{"id": 7}', "", IgnoredReason.UNINSTALLED, id="uninstalled"),
    ],
)  # fmt: skip
def test_a_signed_body_names_a_customer_or_is_ignored(
    topic: str, body: bytes, customer: str, ignored_reason: str
) -> None:
    content = parse_delivery(topic=topic, body=body, test=False)

    assert (content.customer, content.ignored_reason) == (customer, ignored_reason)


@pytest.mark.parametrize("topic", ["customers/update", "orders/paid"])
def test_an_exception_in_a_record_costs_only_its_fields(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object) -> None:
        raise ArithmeticError

    monkeypatch.setattr("service.domain.sync.webhooks.parse_typed_record", raising)
    monkeypatch.setattr("service.domain.sync.webhooks.record_from_mapping", raising)

    content = parse_delivery(topic=topic, body=b'{"customer": {"id": 7}}', test=False)

    assert (content.customer, content.digest, content.ignored_reason) == ("7", "", "")


def test_a_body_that_was_read_leniently_has_no_digest_because_its_values_changed() -> None:
    body = json.dumps(WHOLE | {"note": "\ud800"}).encode()

    content = parse_delivery(topic="customers/update", body=body, test=False)

    assert (content.customer, content.digest) == ("7", "")


@pytest.mark.parametrize(
    ("body", "is_packed"),
    [
        pytest.param(gzip.compress(b'{"id": 7}'), True, id="gzip"),
        pytest.param(zlib.compress(b'{"id": 7}'), True, id="deflate"),
        pytest.param(b"\x28\xb5\x2f\xfd\x20\x01", True, id="zstd"),
        pytest.param(b"\x0b\x04\x80{}\x03", True, id="br"),
        pytest.param(b"", False, id="empty"),
        pytest.param("Ánh".encode(), False, id="text"),
        pytest.param(b"[1]", False, id="JSON"),
    ],
)
def test_compressed_bytes_are_no_text(body: bytes, is_packed: bool) -> None:
    assert is_compressed(body) == is_packed


def test_a_test_delivery_marks_no_customer() -> None:
    assert (
        parse_delivery(topic="customers/update", body=b'{"id": 7}', test=True).ignored_reason
        == IgnoredReason.TEST
    )


WHOLE = {
    "id": 7, "total_spent": "41.94", "orders_count": 1, "tags": "b, A", "created_at": "2024-01-02T03:04:05.1234567Z",
    "last_order_date": None, "birthday": None, "gender": 0, "state": "Disabled", "accepts_marketing": True,
    "verified_email": False, "group_name": None, "default_address": None, "first_name": "Ánh", "last_name": "",
    "email": "a@example.com", "phone": None, "note": None, "updated_at": "2026-03-01T07:00:00+07:00",
}  # fmt: skip


def test_a_complete_customer_has_the_digest_that_the_drain_stores() -> None:
    body = json.dumps(WHOLE).encode()

    content = parse_delivery(topic="customers/update", body=body, test=False)

    assert content.digest == digest(parse_record(body).customer)
    assert content.updated_ms == "1772323200000"


@pytest.mark.parametrize("key", sorted(WHOLE.keys() - {"id", "updated_at"}))
def test_a_body_without_a_visible_field_has_no_digest(key: str) -> None:
    body = json.dumps({name: value for name, value in WHOLE.items() if name != key}).encode()

    assert parse_delivery(topic="customers/update", body=body, test=False).digest == ""


@pytest.mark.parametrize(
    "body", [WHOLE, {"customer": WHOLE}, WHOLE | {"odd": [1]}], ids=["bare", "nested", "odd"]
)
def test_a_deletion_has_no_digest_although_its_body_shows_the_last_record(body: dict[str, object]) -> None:
    content = parse_delivery(topic="customers/delete", body=json.dumps(body).encode(), test=False)

    assert (content.customer, content.digest) == (str(WHOLE["id"]), "")


def test_the_customer_in_an_order_has_no_digest() -> None:
    content = parse_delivery(topic="orders/create", body=json.dumps({"customer": WHOLE}).encode(), test=False)

    assert (content.customer, content.digest) == ("7", "")


def test_an_impossible_updated_at_is_ignored() -> None:
    body = json.dumps({**WHOLE, "updated_at": "9999-12-31T00:00:00Z"}).encode()

    assert parse_delivery(topic="customers/update", body=body, test=False).updated_ms == "0"


HUGE = [
    "1" + "0" * 24,
    "-1" + "0" * 24,
    "92233720368547758.08",
    "1e99999999999999999999",
    "1e-99999999999999999999",
]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("key", ["total_spent", "orders_count", "gender"])
@pytest.mark.parametrize("topic", ["customers/update", "orders/paid"])
def test_a_number_out_of_range_does_not_hide_the_customer(topic: str, key: str, number: str) -> None:
    one = json.dumps({**WHOLE, key: None}).replace(f'"{key}": null', f'"{key}": {number}')
    body = one if topic == "customers/update" else f'{{"total_price": {number}, "customer": {one}}}'

    assert parse_delivery(topic=topic, body=body.encode(), test=False).customer == "7"


@given(st.binary(max_size=300) | st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(WHOLE)) | st.just("customer"), inner)).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_names_a_customer_or_is_ignored(body: bytes) -> None:
    content = parse_delivery(topic="customers/update", body=body, test=False)

    assert bool(content.customer) != bool(content.ignored_reason)


@pytest.mark.parametrize(
    ("header", "topic"),
    [
        pytest.param(b"customers/update", "customers/update", id="as sent"),
        pytest.param(b" Customers/Update ", "customers/update", id="case and spaces"),
        pytest.param(b"x" * 5000, "x" * 64, id="endless"),
        pytest.param(b"a\x1b[31m", "", id="control characters"),
        pytest.param(b"", "", id="missing"),
    ],
)
def test_a_topic_is_tidied(header: bytes, topic: str) -> None:
    assert normalize_topic(header) == topic


def test_only_the_signed_body_is_the_identity() -> None:
    assert delivery_id(b"a" * 32) == delivery_id(b"a" * 32)
    assert delivery_id(b"a" * 32) != delivery_id(b"b" * 32)


def test_what_is_kept_can_be_read_again() -> None:
    what = DeliveryRecord("customers/update", b"a" * 32, 2, test=True, org="9")

    assert decode_delivery(encode_delivery(what)) == what


@pytest.mark.parametrize(
    ("topic", "cause"),
    [("customers/delete", "deletion"), ("customers/update", "delivery"), ("orders/delete", "delivery"), ("", "delivery")],
)  # fmt: skip
def test_an_announced_deletion_has_its_own_cause(topic: str, cause: str) -> None:
    assert mark_cause(topic) == cause
