"""Made-up Vietnamese customers. The same seed and the same day give the same customers."""

from __future__ import annotations

from datetime import date, tzinfo
from itertools import accumulate
from random import Random

from msgspec.structs import replace

from deploy.sandbox.records import PER_S, Address, Customer, Order, Stamp, geography, timestamps
from deploy.sandbox.shop.sales import apply_order
from deploy.sandbox.shop.search import fold_accents
from deploy.sandbox.shop.shop import Shop

FAMILY = (
    ("Nguyễn", 38), ("Trần", 12), ("Lê", 10), ("Phạm", 7), ("Hoàng", 5), ("Huỳnh", 5), ("Phan", 5), ("Vũ", 4),
    ("Võ", 4), ("Đặng", 3), ("Bùi", 2), ("Đỗ", 2), ("Hồ", 1), ("Ngô", 1), ("Dương", 1), ("Lý", 1),
)  # fmt: skip
FEMALE = (
    "Thị Ánh", "Thị Hồng Nhung", "Thu Hà", "Ngọc Anh", "Thị Thanh Thủy", "Phương Thảo", "Bảo Trân", "Khánh Linh",
    "Mỹ Duyên", "Thị Kim Ngân", "Thùy Dương", "Tường Vi", "Quỳnh Như", "Thị Bích Phượng", "Diễm My", "Hải Yến",
)  # fmt: skip
MALE = (
    "Văn Hùng", "Minh Quân", "Đức Thắng", "Quốc Bảo", "Hữu Phước", "Gia Huy", "Thanh Tùng", "Anh Tuấn",
    "Đình Khôi", "Trọng Nghĩa", "Văn Được", "Hoàng Long", "Công Vinh", "Tấn Phát", "Nhật Minh", "Xuân Trường",
)  # fmt: skip
STREETS = (
    "Lê Đại Hành", "Nguyễn Trãi", "Cách Mạng Tháng Tám", "Điện Biên Phủ", "Hai Bà Trưng", "Trần Hưng Đạo",
    "Phan Đình Phùng", "Lý Thường Kiệt", "Võ Văn Tần", "Nguyễn Huệ",
)  # fmt: skip
NOTES = ("Giao giờ hành chính", "Khách quen", "Gọi trước khi giao", "Thích gói quà", "Hay đổi size")
HAND_TAGS = ("Khách sỉ", "Bạn của shop", "Cần gọi lại", "Facebook", "Zalo")
GROUP_NAMES = ("Khách hàng thân thiết", "Khách hàng tiềm năng")

_DAY = 86_400 * PER_S
_FAMILIES = [name for name, _ in FAMILY]
_FAMILY_WEIGHTS = list(accumulate(weight for _, weight in FAMILY))
_PROVINCES = list(geography.PROVINCES["vn"])
_PROVINCE_WEIGHTS = list(accumulate(30 if code == "HC" else 20 if code == "HI" else 3 for code in _PROVINCES))


def populate(shop: Shop, n: int, *, seed: int = 1) -> list[int]:
    """Add `n` customers without webhooks and return their ids.

    About a third have no orders. Phone numbers begin with 09, e-mail addresses end with @example.com.
    """
    rng = Random(seed)
    today = timestamps.from_seconds(shop.clock()) // PER_S * PER_S
    made = [_customer(shop, rng, today) for _ in range(n)]
    shop.store.put_all(made)
    shop.changes += 1
    return [customer.id for customer in made]


def _customer(shop: Shop, rng: Random, today: Stamp) -> Customer:
    customer_id = shop.counters.take("customer")
    gender = rng.choice((0, 1, None))
    given = rng.choice(MALE if gender == 1 else FEMALE)
    family = rng.choices(_FAMILIES, cum_weights=_FAMILY_WEIGHTS)[0]
    created = today - rng.randrange(1, 3 * 365) * _DAY - rng.randrange(86_400_000) * timestamps.PER_MS
    number = customer_id % 1_000_000
    person = Customer(
        customer_id,
        created_at=created,
        updated_at=created,
        first_name=given,
        last_name=family,
        email=f"{fold_accents(given + family).replace(' ', '')}.{number}@example.com"
        if rng.random() < 0.8
        else None,
        phone=f"09{number:08d}" if rng.random() < 0.95 else None,
        note=rng.choice(NOTES) if rng.random() < 0.1 else None,
        accepts_marketing=rng.random() < 0.6,
        state="enabled" if rng.random() < 0.5 else "disabled",
        tags=(rng.choice(HAND_TAGS),) if rng.random() < 0.15 else (),
        group_name=rng.choice(GROUP_NAMES) if rng.random() < 0.2 else None,
        gender=gender,
        birthday=_birthday(rng, shop.birth_zone) if rng.random() < 0.6 else None,
    )
    housed = replace(person, addresses=(_address(shop, rng, person),)) if rng.random() < 0.85 else person
    return _with_orders(shop, rng, housed, today)


def _birthday(rng: Random, zone: tzinfo) -> Stamp | None:
    """Midnight in the shop's time zone, usually the evening before in UTC, as Haravan stores it."""
    return timestamps.from_value(
        date.fromordinal(rng.randrange(date(1955, 1, 1).toordinal(), date(2007, 1, 1).toordinal())), zone
    )


def _address(shop: Shop, rng: Random, person: Customer) -> Address:
    province = rng.choices(_PROVINCES, cum_weights=_PROVINCE_WEIGHTS)[0]
    districts = list(geography.DISTRICTS.get(province, {}))
    district = rng.choice(districts) if districts else None
    wards = list(geography.WARDS.get(district or "", {}))
    return geography.move_address(
        Address(
            shop.counters.take("address"),
            address1=f"{rng.randrange(1, 400)} {rng.choice(STREETS)}",
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


def _with_orders(shop: Shop, rng: Random, customer: Customer, today: Stamp) -> Customer:
    orders = 0 if rng.random() < 0.35 else min(40, 1 + int(rng.expovariate(0.35)))
    span = today - customer.created_at
    for at in sorted(customer.created_at + int(span * rng.random() ** 1.5) for _ in range(orders)):
        amount = min(300_000_000, round(rng.lognormvariate(13.2, 1.1), -3)) * 10_000
        order = Order(
            shop.counters.take("order"), shop.counters.take("order_number"), int(amount), at // PER_S * PER_S
        )
        customer = apply_order(customer, order)
    return replace(customer, updated_at=customer.last_order_date or customer.updated_at)
