"""What each field of a record may be. The tables of deploy/docs/records.md are the test's data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.domain.customers.customer import MissingField, MissingReason
from service.domain.customers.fields import MAX_TAGS, MAX_TEXT
from service.domain.customers.records import ADDRESS_KEYS, RECORD_KEYS, parse_record
from service.domain.customers.tags import MAX_TAG

DOCUMENT = Path(__file__).parents[3] / "deploy/docs/records.md"
ATTRIBUTES = {
    "created_at": "created_ms",
    "last_order_date": "last_order_ms",
    "birthday": "birthday_ms",
    "group_name": "group",
}


def rows() -> Iterator[tuple[str, str, str]]:
    """(key, kind, JSON) of every example in the tables."""
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        key = re.fullmatch(r"`(\w+)`", cells[0].strip("| "))
        if key is None or len(cells) != 4:
            continue
        for kind, cell in zip(("accepted", "empty", "missing"), cells[1:], strict=True):
            for example in re.findall(r"`([^`]+)`", cell):
                yield key[1], kind, example


EXAMPLES = [*rows()]


def parsed(key: str, text: str) -> tuple[Any, tuple[MissingField, ...]]:
    """The value of a key in a record that has all keys, and what is missing."""
    record = dict.fromkeys(RECORD_KEYS, "null")
    address = dict.fromkeys(ADDRESS_KEYS, "null")
    if key in ADDRESS_KEYS:
        record["default_address"] = as_json(address | {key: text})
    else:
        record[key] = text
    customer = parse_record(as_json(record | {"id": "7"}).encode()).customer
    return getattr(customer, ATTRIBUTES.get(key, key), None), customer.missing


def as_json(fields: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}"


def test_the_page_names_every_field() -> None:
    assert {key for key, _, _ in EXAMPLES} == RECORD_KEYS | ADDRESS_KEYS
    assert {kind for _, kind, _ in EXAMPLES} == {"accepted", "empty", "missing"}


@pytest.mark.parametrize(("key", "kind", "text"), EXAMPLES, ids=lambda value: str(value)[:30])
def test_an_example_of_the_page_is_what_the_page_says(key: str, kind: str, text: str) -> None:
    value, missing = parsed(key, text)

    assert [field.key for field in missing] == ([key] if kind == "missing" else [])
    assert key == "default_address" or (value not in (None, ())) is (kind == "accepted")


@pytest.mark.parametrize(
    ("key", "text", "reason"),
    [
        ("note", json.dumps("x" * (MAX_TEXT + 1)), MissingReason.TOO_LARGE),
        ("district", json.dumps("\u0300\u0316" * 30_000), MissingReason.TOO_LARGE),
        ("total_spent", "1e1000000", MissingReason.TOO_LARGE),
        ("total_spent", "9" * 5_000, MissingReason.TOO_LARGE),
        ("total_spent", '"10.000.000"', MissingReason.UNREADABLE),
        ("orders_count", "9" * 5_000, MissingReason.TOO_LARGE),
        ("phone", "9" * 5_000, MissingReason.TOO_LARGE),
        ("phone", "Infinity", MissingReason.UNREADABLE),
        ("birthday", json.dumps("1" * 60_000), MissingReason.UNREADABLE),
        ("tags", json.dumps("x" * (MAX_TAG + 1)), MissingReason.TOO_LARGE),
        ("tags", json.dumps("VIP," + "\u0300\u0316" * 30_000), MissingReason.TOO_LARGE),
        ("tags", json.dumps(",".join(["tag"] * MAX_TAGS)), MissingReason.TOO_LARGE),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_missing_field_has_its_reason(key: str, text: str, reason: MissingReason) -> None:
    assert parsed(key, text)[1] == (MissingField(key, reason),)


@pytest.mark.parametrize("length", [MAX_TEXT, MAX_TEXT - 1])
def test_a_text_within_the_limit_is_a_value(length: int) -> None:
    assert parsed("note", json.dumps("x" * length)) == ("x" * length, ())
    assert parsed("tags", json.dumps("x" * MAX_TAG)) == (("x" * MAX_TAG,), ())
