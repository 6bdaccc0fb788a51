"""A stored snapshot shows no personal field, and keeps e-mail, phone and note only while a live rule reads them."""

from __future__ import annotations

import msgspec
import pytest

from service.domain.customers.customer import Customer, MissingField, MissingReason, OrgId, encode_snapshot
from service.errors import MalformedData
from service.store.customers.sealed_snapshots import (
    OPTIONAL_FIELDS,
    drop_fields,
    is_current,
    kept_fields,
    read_snapshot,
    seal_snapshot,
)
from service.store.encryption.cipher import ShopCipher

CIPHER = ShopCipher(OrgId("1000000001"), {b"id 1": b"k" * 32})
ALL = frozenset(OPTIONAL_FIELDS)
NOTHING: frozenset[str] = frozenset()
PLAIN = Customer(id=7, total_spent=20_000_000_0000, tags=("VIP",), province="Hà Nội", gender=1)
PERSON = Customer(
    id=7,
    total_spent=20_000_000_0000,
    tags=("VIP",),
    province="Hà Nội",
    gender=1,
    birthday_ms=641_779_200_000,
    first_name="Canary-An",
    last_name="Canary-Nguyễn",
    email="canary@example.com",
    phone="0900000001",
    note="canary note",
)


def test_with_every_field_kept_a_customer_comes_back_as_it_was() -> None:
    snapshot = read_snapshot(seal_snapshot(PERSON, CIPHER, kept=ALL))

    assert snapshot.facts == PLAIN
    assert snapshot.open(CIPHER) == PERSON


def test_no_personal_field_can_be_read_in_the_stored_bytes() -> None:
    stored = seal_snapshot(PERSON, CIPHER, kept=ALL)

    for text in ("Canary-An", "Canary-Nguyễn", "canary@example.com", "0900000001", "canary note"):
        assert text.encode() not in stored
    birthday = msgspec.msgpack.encode(PERSON.birthday_ms)
    assert birthday in encode_snapshot(PERSON)
    assert birthday not in stored


def test_fields_that_no_live_rule_reads_are_not_kept() -> None:
    snapshot = read_snapshot(seal_snapshot(PERSON, CIPHER, kept=frozenset({"phone"})))

    opened = snapshot.open(CIPHER)
    assert (opened.email, opened.phone, opened.note) == (None, "0900000001", None)
    assert (opened.first_name, opened.birthday_ms) == (PERSON.first_name, PERSON.birthday_ms)
    assert snapshot.kept == {"phone"}


def test_a_field_that_is_needed_and_not_kept_is_missing() -> None:
    snapshot = read_snapshot(seal_snapshot(PERSON, CIPHER, kept=frozenset({"phone"})))

    opened = snapshot.open(CIPHER, needed=frozenset({"phone", "note"}))

    assert opened.missing == (MissingField("note", MissingReason.NOT_STORED),)


def test_a_customer_without_personal_data_is_the_facts_alone() -> None:
    stored = seal_snapshot(PLAIN, CIPHER, kept=NOTHING)

    assert stored == encode_snapshot(PLAIN)
    assert read_snapshot(stored).open(ShopCipher(OrgId("1"), {})) == PLAIN


def test_an_empty_e_mail_is_kept_as_empty() -> None:
    assert read_snapshot(seal_snapshot(PLAIN, CIPHER, kept=frozenset({"email"}))).kept == {"email"}


def test_a_snapshot_that_is_copied_to_another_customer_does_not_open() -> None:
    mine, other = (
        seal_snapshot(Customer(id=number, first_name="An"), CIPHER, kept=NOTHING) for number in (7, 8)
    )
    facts = read_snapshot(mine)

    with pytest.raises(MalformedData, match="copied from another place"):
        facts._replace(sealed=read_snapshot(other).sealed).open(CIPHER)


@pytest.mark.parametrize("length", range(0, 60, 3))
def test_a_cut_snapshot_is_malformed_and_not_current(length: int) -> None:
    stored = seal_snapshot(PERSON, CIPHER, kept=ALL)[:length]

    assert not is_current(stored, PERSON, CIPHER, kept=ALL)
    with pytest.raises(MalformedData):
        read_snapshot(stored).open(CIPHER)


@pytest.mark.parametrize(
    ("changed", "kept", "current"),
    [
        ({}, ALL, True),
        ({"first_name": "Bình"}, ALL, False),
        ({"email": "new@example.com"}, ALL, False),
        ({}, NOTHING, False),
    ],
    ids=["nothing changed", "another name", "another e-mail", "the e-mail is not read any more"],
)
def test_a_snapshot_is_compared_in_what_it_keeps(
    changed: dict[str, str], kept: frozenset[str], current: bool
) -> None:
    stored = seal_snapshot(PERSON, CIPHER, kept=ALL)
    record = Customer(**{name: getattr(PERSON, name) for name in PERSON.__struct_fields__} | changed)

    assert is_current(stored, record, CIPHER, kept=kept) is current


def test_a_new_e_mail_does_not_matter_where_none_is_kept() -> None:
    stored = seal_snapshot(PERSON, CIPHER, kept=NOTHING)

    assert is_current(stored, PERSON, CIPHER, kept=NOTHING)


def test_fields_are_dropped_from_stored_snapshots() -> None:
    stored = seal_snapshot(PERSON, CIPHER, kept=ALL)

    dropped = drop_fields(stored, CIPHER, kept=frozenset({"note"})) or b""

    opened = read_snapshot(dropped).open(CIPHER)
    assert (opened.email, opened.phone, opened.note) == (None, None, "canary note")
    assert drop_fields(dropped, CIPHER, kept=frozenset({"note"})) is None
    assert drop_fields(b"x", CIPHER, kept=NOTHING) is None


def test_rules_keep_the_optional_fields_that_they_read() -> None:
    assert kept_fields({"email", "birthday", "total_spent", "first_name"}) == {"email"}
