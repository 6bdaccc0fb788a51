"""Customers made up from a seed number: the same number and day make the same customers, and none of them exists."""

from __future__ import annotations

from datetime import date, tzinfo
from itertools import accumulate
from random import Random

from msgspec.structs import replace

from . import names, places, stamps
from .records import Address, Customer, Order
from .search import folded
from .selling import with_order
from .shop import Shop
from .stamps import PER_S, Stamp

_DAY = 86_400 * PER_S
_FAMILIES = [name for name, _ in names.FAMILY]
_FAMILY_WEIGHTS = list(accumulate(weight for _, weight in names.FAMILY))
_PROVINCES = list(places.PROVINCES["vn"])
_PROVINCE_WEIGHTS = list(accumulate(30 if code == "HC" else 20 if code == "HI" else 3 for code in _PROVINCES))


def populate(shop: Shop, n: int, *, seed: int = 1) -> list[int]:
    """Take in `n` customers at once, without webhooks; their ids.

    About a third never bought; the others spent anything from a scarf's to a car's price. Phones start
    with 09000, e-mails end with @example.com.
    """
    rng = Random(seed)
    today = stamps.from_seconds(shop.clock()) // PER_S * PER_S
    made = [_customer(shop, rng, today) for _ in range(n)]
    shop.store.put_all(made)
    shop.changes += 1
    return [customer.id for customer in made]


def _customer(shop: Shop, rng: Random, today: Stamp) -> Customer:
    customer_id = shop.counters.take("customer")
    gender = rng.choice((0, 1, None))
    given = rng.choice(names.MALE if gender == 1 else names.FEMALE)
    family = rng.choices(_FAMILIES, cum_weights=_FAMILY_WEIGHTS)[0]
    created = today - rng.randrange(1, 3 * 365) * _DAY - rng.randrange(86_400_000) * stamps.PER_MS
    number = customer_id % 1_000_000
    person = Customer(
        customer_id,
        created_at=created,
        updated_at=created,
        first_name=given,
        last_name=family,
        email=f"{folded(given + family).replace(' ', '')}.{number}@example.com"
        if rng.random() < 0.8
        else None,
        phone=f"09{number:08d}" if rng.random() < 0.95 else None,
        note=rng.choice(names.NOTES) if rng.random() < 0.1 else None,
        accepts_marketing=rng.random() < 0.6,
        state="enabled" if rng.random() < 0.5 else "disabled",
        tags=(rng.choice(names.HAND_TAGS),) if rng.random() < 0.15 else (),
        group_name=rng.choice(names.GROUP_NAMES) if rng.random() < 0.2 else None,
        gender=gender,
        birthday=_birthday(rng, shop.birth_zone) if rng.random() < 0.6 else None,
    )
    housed = replace(person, addresses=(_address(shop, rng, person),)) if rng.random() < 0.85 else person
    return _bought(shop, rng, housed, today)


def _birthday(rng: Random, zone: tzinfo) -> Stamp | None:
    """Midnight of the shop's day, so mostly the evening before in UTC, as Haravan keeps it."""
    return stamps.of(
        date.fromordinal(rng.randrange(date(1955, 1, 1).toordinal(), date(2007, 1, 1).toordinal())), zone
    )


def _address(shop: Shop, rng: Random, person: Customer) -> Address:
    province = rng.choices(_PROVINCES, cum_weights=_PROVINCE_WEIGHTS)[0]
    districts = list(places.DISTRICTS.get(province, {}))
    district = rng.choice(districts) if districts else None
    wards = list(places.WARDS.get(district or "", {}))
    return places.moved(
        Address(
            shop.counters.take("address"),
            address1=f"{rng.randrange(1, 400)} {rng.choice(names.STREETS)}",
            first_name=person.first_name,
            last_name=person.last_name,
            phone=person.phone,
            zip="70000" if province == "HC" else None,
            default=True,
        ),
        {
            "country_code": "vn",
            "province_code": province,
            "district_code": district,
            "ward_code": rng.choice(wards) if wards else None,
        },
    )


def _bought(shop: Shop, rng: Random, customer: Customer, today: Stamp) -> Customer:
    orders = 0 if rng.random() < 0.35 else min(40, 1 + int(rng.expovariate(0.35)))
    span = today - customer.created_at
    for at in sorted(customer.created_at + int(span * rng.random() ** 1.5) for _ in range(orders)):
        amount = min(300_000_000, round(rng.lognormvariate(13.2, 1.1), -3)) * 10_000
        order = Order(
            shop.counters.take("order"), shop.counters.take("order_number"), int(amount), at // PER_S * PER_S
        )
        customer = with_order(customer, order)
    return replace(customer, updated_at=customer.last_order_date or customer.updated_at)
