"""Reading a customer's bytes: what either dialect may send, and what is refused with the field's name."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.reading import read_quickly, read_record
from service.domain.records import record_of
from service.errors import Unreadable


def body(**fields: Any) -> bytes:
    return json.dumps({"id": 7} | fields, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        pytest.param(
            '{"id": 7, "total_spent": 261380000.0000}', "VND", 261_380_000, id="number with four decimals"
        ),
        pytest.param('{"id": 7, "total_spent": "41.94"}', "USD", 4194, id="text of the old API"),
        pytest.param('{"id": 7, "total_spent": 0}', "VND", 0, id="zero is a value"),
        pytest.param('{"id": 7, "total_spent": null}', "VND", None, id="null"),
        pytest.param('{"id": 7, "total_spent": ""}', "VND", None, id="empty text"),
        pytest.param('{"id": 7}', "VND", None, id="missing"),
    ],
)
def test_money_is_a_whole_number_of_the_smallest_unit(text: str, currency: str, minor: int | None) -> None:
    assert read_record(text.encode(), currency=currency).customer.total_spent == minor


@pytest.mark.parametrize(
    ("tags", "read"),
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
def test_tags_are_one_text_that_is_split(tags: str | None, read: tuple[str, ...] | None) -> None:
    found = read_record(body(tags=tags), currency="VND").customer.tags

    assert found == read if read is not None else len(found) == 1


NO_IDS: list[object] = [None, -1, 0, 2**63, "x", "", 1.5, True, []]


@pytest.mark.parametrize("value", NO_IDS, ids=repr)
def test_an_id_that_is_not_a_positive_64_bit_number_is_refused(value: object) -> None:
    with pytest.raises(Unreadable, match="'id'"):
        read_record(json.dumps({"id": value}).encode(), currency="VND")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"null", b'"x"', b"\xff"], ids=repr)
def test_what_is_not_an_object_is_refused(text: bytes) -> None:
    with pytest.raises(Unreadable):
        read_record(text, currency="VND")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.text(max_size=8),
    st.just("2021-08-18T05:58:03.3618601Z"),
)
KEYS = [
    "total_spent",
    "orders_count",
    "tags",
    "created_at",
    "birthday",
    "gender",
    "state",
    "note",
    "group_name",
    "phone",
]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_the_quick_way_reads_what_the_patient_way_reads(fields: dict[str, Any]) -> None:
    quick = read_quickly(body(**fields), currency="VND")

    if quick is not None:
        assert quick == record_of({"id": 7} | fields, currency="VND")
