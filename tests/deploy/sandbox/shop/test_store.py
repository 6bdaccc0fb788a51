"""The indexes of the store agree with a scan of all customers."""

from __future__ import annotations

from random import Random

import pytest

from deploy.sandbox.records import money, timestamps
from deploy.sandbox.records.models import Customer
from deploy.sandbox.shop.store import CustomerStore, phone_key


def _random_life(store: CustomerStore, rng: Random) -> dict[int, Customer]:
    """Three hundred changes to a store, and the plain dictionary that it should equal."""
    plain: dict[int, Customer] = {}
    for at in range(300):
        customer_id = rng.randrange(1, 40)
        if customer_id in plain and rng.random() < 0.2:
            store.remove(customer_id, at=at)
            del plain[customer_id]
        else:
            email = f"{customer_id}-{rng.randrange(3)}@example.com"
            plain[customer_id] = Customer(
                customer_id, created_at=0, updated_at=rng.randrange(100), email=email
            )
            store.put(plain[customer_id], at=at)
    return plain


@pytest.mark.parametrize("seed", range(5))
def test_indexes_agree_with_a_scan(seed: int) -> None:
    store = CustomerStore()

    plain = _random_life(store, Random(seed))

    assert store.ids == sorted(plain)
    assert {customer.id: customer for customer in store.all()} == plain
    for since in (0, 37, 99):
        assert store.changed_since(since) == sorted(
            customer.id for customer in plain.values() if customer.updated_at >= since
        )
    for customer in plain.values():
        assert customer.email is not None
        assert store.by_email(customer.email.upper()) == customer.id
    assert store.by_email("40-0@example.com") is None


def test_earlier_versions_are_found_by_time() -> None:
    store = CustomerStore()
    first, second = (Customer(1, created_at=0, updated_at=at, note=str(at)) for at in (10, 20))
    store.put(first, at=10)
    store.put(second, at=20)
    store.remove(1, at=30)

    versions = [store.as_of(1, at) for at in (9, 10, 19, 20, 29, 30)]

    assert versions == [None, first, first, second, second, None]
    assert (store.ids_as_of(29), store.ids_as_of(30)) == ([1], [])


PHONES = {
    "as dialled": ("0900000001", "0900000001"),
    "with blanks": ("090 000 0001", "0900000001"),
    "from abroad": ("+84 900 000 001", "0900000001"),
    "a short number that begins with 84": ("8412345678", "8412345678"),
}


@pytest.mark.parametrize(("phone", "key"), PHONES.values(), ids=PHONES)
def test_a_phone_is_the_same_number_in_any_format(phone: str, key: str) -> None:
    assert phone_key(phone) == key


MOMENTS = {
    "seven digits": "2021-08-18T05:58:03.3618601Z",
    "a trailing zero is cut": "2021-08-18T06:23:19.553646Z",
    "milliseconds": "2020-10-22T03:37:03.796Z",
    "whole": "2020-10-22T03:37:09Z",
    "before 1970": "1955-05-31T17:00:00Z",
}


@pytest.mark.parametrize("text", MOMENTS.values(), ids=MOMENTS)
def test_a_timestamp_survives_formatting_and_parsing(text: str) -> None:
    from datetime import UTC

    assert timestamps.format_omni(timestamps.parse(text, UTC)) == text


AMOUNTS = {
    "dong": (261_380_000, b"261380000.0000", "261380000.00"),
    "cents": ("41.94", b"41.9400", "41.94"),
    "nothing": (0, b"0.0000", "0.00"),
    "a float": (0.1, b"0.1000", "0.10"),
    "a debt": ("-1.5", b"-1.5000", "-1.50"),
}


@pytest.mark.parametrize(("amount", "omni", "admin"), AMOUNTS.values(), ids=AMOUNTS)
def test_an_amount_is_printed_as_each_api_prints_it(amount: float | str, omni: bytes, admin: str) -> None:
    assert (money.format_omni(money.parse(amount)), money.format_admin(money.parse(amount))) == (omni, admin)
