"""Parsing of customer JSON: values of both dialects, and refusals that name the field."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.customers.customer import (
    MissingField,
    MissingReason,
    decode_snapshot,
    encode_snapshot,
)
from service.domain.customers.records import (
    RECORD_KEYS,
    parse_record,
    parse_typed_record,
    record_from_mapping,
)
from service.errors import MalformedData


def body(**fields: Any) -> bytes:
    return json.dumps({"id": 7} | fields, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("spent", "parsed"),
    [
        pytest.param("261380000.0000", 261_380_000_0000, id="number with four decimals"),
        pytest.param("9999999.9999", 9_999_999_9999, id="just below ten million"),
        pytest.param('"41.94"', 41_9400, id="text of the old API"),
        pytest.param("7.00009", 7_0000, id="finer than Haravan prints is rounded down"),
        pytest.param("-0.00001", -1, id="down below zero too"),
        pytest.param("9999999." + "9" * 60, 9_999_999_9999, id="more digits than a Decimal's arithmetic has"),
        pytest.param("1e15", 10**19, id="the largest amount"),
        pytest.param("1e-1000000", 0, id="a tiny exponent"),
        pytest.param("0", 0, id="zero is a value"),
        pytest.param("null", None, id="null"),
        pytest.param('""', None, id="empty text"),
    ],
)
def test_money_is_a_whole_number_of_ten_thousandths(spent: str, parsed: int | None) -> None:
    record = parse_record(b'{"id": 7, "total_spent": %s}' % spent.encode())

    assert record.customer.total_spent == parsed
    assert decode_snapshot(encode_snapshot(record.customer)) == record.customer


ODD_AMOUNTS = (
    *("1e1000000", "-1e1000000", "1e99999999999999999999", "1000000000000000.0001", "-1e15", "9" * 5000),
    *('"NaN"', '"sNaN"', '"Infinity"', '"10.000.000"', '"much"', '"1e1000000"', "NaN", "-Infinity", "true"),
)


@pytest.mark.parametrize("is_complete", [False, True], ids=["one key", "every key"])
@pytest.mark.parametrize("spent", ODD_AMOUNTS, ids=lambda text: text[:30])
def test_what_is_no_amount_is_a_missing_amount_and_the_rest_is_read(spent: str, *, is_complete: bool) -> None:
    keys = "".join(f'"{key}": null, ' for key in sorted(RECORD_KEYS - {"total_spent"})) if is_complete else ""

    record = parse_record(f'{{"id": 7, {keys}"total_spent": {spent}}}'.encode())

    assert record.customer.id == 7
    assert record.customer.total_spent is None
    assert "total_spent" in record.missing_keys
    assert (record.missing_keys == {"total_spent"}) is is_complete
    assert decode_snapshot(encode_snapshot(record.customer)) == record.customer


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        pytest.param(None, (), id="null"),
        pytest.param("", (), id="empty"),
        pytest.param(" VIP , Khách sỉ,,", ("VIP", "Khách sỉ"), id="spaces and blanks"),
        pytest.param("VIP,vip,ViP", ("VIP",), id="one of each spelling"),
        pytest.param(unicodedata.normalize("NFD", "Khách sỉ") + ",Khách sỉ", None, id="NFD and NFC are one"),
        pytest.param(
            ",".join(f"t{n}" for n in range(200)), tuple(f"t{n}" for n in range(200)), id="two hundred"
        ),
    ],
)
def test_the_text_of_tags_is_split_at_commas(text: str | None, tags: tuple[str, ...] | None) -> None:
    parsed = parse_record(body(tags=text)).customer.tags

    assert parsed == tags if tags is not None else len(parsed) == 1


NO_IDS: list[object] = [None, -1, 0, 2**63, "x", "", 1.5, True, []]


@pytest.mark.parametrize("value", NO_IDS, ids=repr)
def test_an_id_that_is_not_a_positive_64_bit_number_is_refused(value: object) -> None:
    with pytest.raises(MalformedData, match="'id'"):
        parse_record(json.dumps({"id": value}).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null", b'"x"', b"\xff"], ids=repr)
def test_json_that_is_not_an_object_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedData):
        parse_record(text)


DIALECTS = [
    ("total_spent", 41.5, "total_spent", 41_5000),
    ("orders_count", "3", "orders_count", 3),
    ("orders_count", 2.0, "orders_count", 2),
    ("orders_count", "", "orders_count", None),
    ("gender", 0, "gender", 0),
    ("gender", "1", "gender", 1),
    ("accepts_marketing", "true", "accepts_marketing", True),
    ("verified_email", "false", "verified_email", False),
    ("phone", 84912345678, "phone", "84912345678"),
    ("note", "  ", "note", None),
    ("state", " Disabled ", "state", "disabled"),
    ("group_name", "Khách sỉ", "group", "Khách sỉ"),
    ("default_address", None, "province", None),
    ("default_address", [], "province", None),
    ("default_address", {"province": " Hà Nội "}, "province", "Hà Nội"),
    ("default_address", {"ward": 7}, "ward", "7"),
    ("birthday", "1990-05-31", "birthday_ms", 644_112_000_000),
    ("birthday", "", "birthday_ms", None),
    ("updated_at", "2021-08-18T05:58:03.3618601Z", "updated_ms", 1_629_266_283_361),
    ("created_at", "2021-08-18T12:58:03+07:00", "created_ms", 1_629_266_283_000),
]


@pytest.mark.parametrize(("key", "value", "field", "parsed"), DIALECTS, ids=lambda value: str(value)[:20])
def test_values_of_both_dialects_are_parsed(key: str, value: object, field: str, parsed: object) -> None:
    assert getattr(parse_record(body(**{key: value})).customer, field) == parsed


BROKEN = [
    pytest.param(b'{"id": 7, "note": "\\ud800", "phone": "1"}', {"note"}, id="half a character"),
    pytest.param(b'\xef\xbb\xbf{"id": 7, "note": "a", "phone": "1"}', set(), id="a byte-order mark"),
    pytest.param(b'{"id": 7, "note": NaN, "phone": "1"}', {"note"}, id="NaN"),
    pytest.param(b'{"id": 7, "note": "a\tb", "phone": "1"}', set(), id="a control character"),
    pytest.param(
        b'{"id": 7, "note": "a", "phone": "1", "x": ' + b"9" * 9_000 + b"}", set(), id="a long number"
    ),
]


@pytest.mark.parametrize(("body_bytes", "missing"), BROKEN)
def test_json_that_is_no_json_is_read_as_far_as_possible(body_bytes: bytes, missing: set[str]) -> None:
    record = parse_record(body_bytes)

    assert record.missing_keys - missing == RECORD_KEYS - {"note", "phone"}
    assert record.customer.phone == "1"


def test_a_field_of_an_address_may_be_missing_without_the_others() -> None:
    address = {"province": "Hà Nội", "province_code": {"a": 1}, "ward": None}

    record = parse_record(body(**TYPICAL | {"default_address": address}))

    assert record.customer.province == "Hà Nội"
    assert record.customer.missing == (
        MissingField("district", MissingReason.ABSENT),
        MissingField("province_code", MissingReason.UNREADABLE),
    )


DATES = [
    *(
        (text, None)
        for text in ("0001-01-01T00:00:00", "1604-02-29", "1900-01-01T00:00:00", "1900-01-01T23:59:59Z")
    ),
    ("1900-01-02T00:00:00Z", -2_208_902_400_000),
    ("2099-03-01T00:00:00Z", 4_076_006_400_000),
]


@pytest.mark.parametrize("is_complete", [False, True], ids=["one key", "every key"])
@pytest.mark.parametrize(("text", "ms"), DATES)
@pytest.mark.parametrize("key", ["created_at", "last_order_date", "birthday"])
def test_a_date_before_2_january_1900_is_empty(
    key: str, text: str, ms: int | None, *, is_complete: bool
) -> None:
    record = parse_record(body(**(TYPICAL if is_complete else {}) | {key: text}))

    assert key not in record.missing_keys
    name = {"created_at": "created_ms", "last_order_date": "last_order_ms", "birthday": "birthday_ms"}[key]
    assert getattr(record.customer, name) == ms


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize("value", [NESTED, '{"a":' * 5_000 + "1" + "}" * 5_000], ids=["lists", "objects"])
def test_a_record_nested_too_deeply_is_malformed_or_lacks_the_field(value: str) -> None:
    try:
        record = parse_record(f'{{"id": 7, "note": {value}}}'.encode())
    except MalformedData:
        return
    assert "note" in record.missing_keys


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(max_size=8),
    st.just("2021-08-18T05:58:03.3618601Z"),
)
TYPICAL: dict[str, Any] = {
    "total_spent": 5,
    "orders_count": 1,
    "tags": "VIP",
    "created_at": "2021-08-18T05:58:03.3618601Z",
    "last_order_date": None,
    "birthday": None,
    "gender": 0,
    "state": "Disabled",
    "accepts_marketing": True,
    "verified_email": False,
    "group_name": None,
    "default_address": {"province": "Hà Nội", "province_code": "HI", "district": None, "ward": ""},
    "first_name": "Ánh",
    "last_name": None,
    "email": None,
    "phone": None,
    "note": None,
}


@given(st.dictionaries(st.sampled_from(sorted(TYPICAL)), VALUES, max_size=4))
def test_the_typed_decoder_agrees_with_the_lenient_parser(fields: dict[str, Any]) -> None:
    typed = parse_typed_record(body(**TYPICAL | fields))

    if typed is not None:
        assert typed == record_from_mapping({"id": 7} | TYPICAL | fields)


def test_the_typed_decoder_accepts_only_complete_objects_as_documented() -> None:
    assert TYPICAL.keys() == RECORD_KEYS
    assert parse_typed_record(body(**TYPICAL)) is not None
    assert parse_typed_record(body(**{key: TYPICAL[key] for key in TYPICAL.keys() - {"note"}})) is None
    assert parse_typed_record(body(**TYPICAL, customer={"id": 8})) is None


def test_a_record_lists_its_missing_keys() -> None:
    record = record_from_mapping({"id": 7, "total_spent": Decimal("1.5"), "other": object()})

    assert record.customer.total_spent == 1_5000
    assert record.missing_keys == RECORD_KEYS - {"total_spent"}
    assert {field.reason for field in record.customer.missing} == {MissingReason.ABSENT}
    assert record.digest is None
    assert decode_snapshot(encode_snapshot(record.customer)) == record.customer


def test_a_time_without_a_zone_is_utc() -> None:
    customer = parse_record(body(created_at="2021-08-18T05:58:03")).customer

    assert customer.created_ms == int(datetime(2021, 8, 18, 5, 58, 3, tzinfo=UTC).timestamp() * 1000)
