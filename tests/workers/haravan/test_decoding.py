"""Lists of customers: a malformed record affects only itself, and the ids are compared with the requested ids."""

from __future__ import annotations

import msgspec
import pytest

from service.domain.customers.customer import CustomerId
from service.errors import ApiUnavailable, MalformedData
from workers.haravan.decoding import (
    Batch,
    Comparison,
    UnreadableRecord,
    compare,
    decode_batch,
    decode_count,
    decode_raw_customers,
    decode_record,
    decode_tags,
)


def batch(*records: bytes) -> Batch:
    return decode_batch(b'{"customers": [' + b",".join(records) + b"]}")


def ids(*numbers: int) -> frozenset[CustomerId]:
    return frozenset(map(CustomerId, numbers))


@pytest.mark.parametrize(
    ("body", "unreadable"),
    [
        pytest.param(b'{"tags": "VIP"}', UnreadableRecord(None, "'id' is missing or is not a positive 64-bit number"), id="no-id"),
        pytest.param(b'{"id": -2}', UnreadableRecord(None, "'id' is missing or is not a positive 64-bit number"), id="negative-id"),
        pytest.param(b"null", UnreadableRecord(None, "the record is not a JSON object"), id="null"),
        pytest.param(b'"VIP"', UnreadableRecord(None, "the record is not a JSON object"), id="text"),
    ],
)  # fmt: skip
def test_an_unreadable_record_does_not_affect_the_others(body: bytes, unreadable: UnreadableRecord) -> None:
    response = batch(b'{"id": 1}', body, b'{"id": 3}')

    assert [record.customer.id for record in response.records] == [1, 3]
    assert response.unreadable == (unreadable,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("total_spent", b'"viel"'),
        ("total_spent", b"1e99999999999999999999"),
        ("total_spent", b"1e1000000"),
        ("total_spent", b"NaN"),
        ("gender", b"10000000000000000000000000"),
        ("gender", b"9" * 5_000),
        ("tags", b'["VIP"]'),
        ("birthday", b'"31/12"'),
        ("note", b'"\\ud800"'),
        ("note", b'"\xff"'),
        ("note", b"NaN"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_field_that_cannot_be_read_is_missing_and_the_page_is_read(key: str, value: bytes) -> None:
    body = b'{"id": 2, "phone": "1", "%s": %s}' % (key.encode(), value)

    response = batch(b'{"id": 1}', body, b'{"id": 3}')

    assert [record.customer.id for record in response.records] == [1, 2, 3]
    assert key in response.records[1].missing_keys
    assert response.records[1].customer.phone == "1"


def test_a_bare_control_character_is_accepted() -> None:
    response = batch(
        b'{"id": 1, "total_spent": 5.0000, "odd": 1e99999999999999999999}',
        b'{"id": 2, "note": "a\x01b", "total_spent": 261380000.0000}',
    )

    assert [record.customer.total_spent for record in response.records] == [5_0000, 261_380_000_0000]
    assert response.records[1].customer.note == "a\x01b"


def test_a_single_record_with_half_a_character_lacks_only_that_field() -> None:
    record = decode_record(b'{"customer": {"id": 2, "note": "\\ud83d", "phone": "1"}}')

    assert "note" in record.missing_keys
    assert record.customer.phone == "1"


@pytest.mark.parametrize(
    "body", [b'{"customers": [{"id": 1}, {"id"', b'{"customers": [\x01'], ids=["cut-off", "garbage"]
)
def test_a_body_without_a_list_of_customers_is_an_error(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_batch(body)


def test_an_empty_page_is_false_and_a_page_of_unreadable_records_is_not() -> None:
    assert not batch()
    assert batch(b"null")


def test_ids_has_readable_and_unreadable_records() -> None:
    assert batch(b'{"id": 1}', b'{"id": "2", "tags": 3}', b"null").ids == ids(1, 2)


@pytest.mark.parametrize(
    ("requested", "listed", "comparison", "mismatched"),
    [
        pytest.param((1, 2), (1, 2), Comparison(ids(1, 2), ids(), ids()), False, id="all"),
        pytest.param((1, 2), (2, 1), Comparison(ids(1, 2), ids(), ids()), False, id="in-another-order"),
        pytest.param((1, 2), (1, 1, 2), Comparison(ids(1, 2), ids(), ids()), False, id="one-twice"),
        pytest.param((1, 2), (1,), Comparison(ids(1), ids(2), ids()), False, id="one-missing"),
        pytest.param((1, 2), (1, 2, 3), Comparison(ids(1, 2), ids(), ids(3)), False, id="one-too-many"),
        pytest.param((1, 2), (3,), Comparison(ids(), ids(1, 2), ids(3)), False, id="one-with-a-wrong-id"),
        pytest.param((1, 2), (1, 3, 4), Comparison(ids(1), ids(2), ids(3, 4)), True, id="most-are-others"),
        pytest.param((1, 2), (3, 4), Comparison(ids(), ids(1, 2), ids(3, 4)), True, id="others"),
        pytest.param((1, 2), (), Comparison(ids(), ids(1, 2), ids()), False, id="nobody"),
    ],
)
def test_the_ids_of_a_list_are_compared_with_the_requested_ids(
    requested: tuple[int, ...], listed: tuple[int, ...], comparison: Comparison, mismatched: bool
) -> None:
    response = batch(*(f'{{"id": {number}}}'.encode() for number in listed))

    assert compare(map(CustomerId, requested), response) == comparison
    assert comparison.mismatched is mismatched


@pytest.mark.parametrize("body", [b'{"count": 3}', b'{"count": "3"}'], ids=["number", "text"])
def test_a_count_is_decoded(body: bytes) -> None:
    assert decode_count(body) == 3


def test_raw_records_keep_every_digit() -> None:
    (raw,) = decode_raw_customers(b'{"customers": [{"id": 9007199254740993, "total_spent": 261380000.0000}]}')

    written = msgspec.json.Encoder(decimal_format="number").encode(raw)

    assert written == b'{"id":9007199254740993,"total_spent":261380000.0000}'


@pytest.mark.parametrize(
    "record", [b"null", b"7", b"[]", b"{}", b'{"id": null}', b'{"id": -7}', b'{"id": true}']
)
def test_a_single_record_without_an_id_is_no_answer(record: bytes) -> None:
    with pytest.raises(ApiUnavailable):
        decode_record(b'{"customer": %s}' % record)


@pytest.mark.parametrize("tags", ["x" * 256, ",".join(["a"] * 40_000), "\u0300\u0316" * 30_000])
def test_the_tags_after_a_change_are_bounded(tags: str) -> None:
    assert decode_tags(b'{"tags": "a1,VIP"}') == ("a1", "VIP")
    with pytest.raises(MalformedData):
        decode_tags(msgspec.json.encode({"tags": tags}))
