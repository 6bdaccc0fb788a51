"""The customers of one shop and the ways to find them: by id, by e-mail and phone, by change, as of a while ago."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator

from .records import Customer
from .stamps import Stamp

_KEPT_VERSIONS = 16
_NOT_A_DIGIT = re.compile(r"\D")


def phone_key(phone: str) -> str:
    """The same number in any format: `+84 333 333 333` is `0333333333`."""
    digits = _NOT_A_DIGIT.sub("", phone)
    return "0" + digits[2:] if digits.startswith("84") and len(digits) > 10 else digits


class CustomerStore:
    """One shop's customers. Lists by id cost what they return, not what the shop holds."""

    def __init__(self) -> None:
        self._customers: dict[int, Customer] = {}
        self._ids: list[int] = []
        self._by_update: list[tuple[Stamp, int]] = []
        self._emails: dict[str, int] = {}
        self._phones: dict[str, int] = {}
        self._past: dict[int, deque[tuple[Stamp, Customer | None]]] = {}

    def __len__(self) -> int:
        return len(self._customers)

    def __contains__(self, customer_id: int) -> bool:
        return customer_id in self._customers

    def get(self, customer_id: int) -> Customer | None:
        return self._customers.get(customer_id)

    def all(self) -> Iterator[Customer]:
        return (self._customers[customer_id] for customer_id in self._ids)

    @property
    def ids(self) -> list[int]:
        """Every id, ascending. Not to be changed."""
        return self._ids

    def after(self, customer_id: int) -> int:
        """The place in `ids` of the first id above `customer_id`."""
        return bisect_right(self._ids, customer_id)

    def changed_since(self, stamp: Stamp) -> list[int]:
        """Ids of the customers updated at `stamp` or later, ascending."""
        return sorted(
            customer_id for _, customer_id in self._by_update[bisect_left(self._by_update, (stamp, 0)) :]
        )

    def by_email(self, email: str) -> int | None:
        return self._emails.get(email.strip().lower())

    def by_phone(self, phone: str) -> int | None:
        return self._phones.get(phone_key(phone))

    def put(self, customer: Customer, *, at: Stamp) -> None:
        """Keep this version as the present one; the one before is remembered as having ended at `at`."""
        before = self._customers.get(customer.id)
        self._remember(customer.id, before, at)
        if before is None:
            insort(self._ids, customer.id)
        else:
            self._unlist(before)
        self._customers[customer.id] = customer
        insort(self._by_update, (customer.updated_at, customer.id))
        self._list_contacts(customer)

    def put_all(self, customers: Iterable[Customer]) -> None:
        """Keep many new customers at once, as having always been there."""
        for customer in customers:
            self._customers[customer.id] = customer
            self._list_contacts(customer)
        self._ids = sorted(self._customers)
        self._by_update = sorted((customer.updated_at, customer.id) for customer in self._customers.values())

    def remove(self, customer_id: int, *, at: Stamp) -> None:
        before = self._customers.pop(customer_id)
        self._remember(customer_id, before, at)
        del self._ids[bisect_left(self._ids, customer_id)]
        self._unlist(before)

    def as_of(self, customer_id: int, at: Stamp) -> Customer | None:
        """The version that was the present one at `at`, as far as the last changes reach back."""
        for ended, version in self._past.get(customer_id, ()):
            if ended > at:
                return version
        return self._customers.get(customer_id)

    def ids_as_of(self, at: Stamp) -> list[int]:
        """Ids that a list lagging behind would go through, ascending: those deleted since `at` included."""
        gone = [key for key, past in self._past.items() if key not in self._customers and past[-1][0] > at]
        return sorted([*self._ids, *gone]) if gone else self._ids

    def _remember(self, customer_id: int, version: Customer | None, ended: Stamp) -> None:
        self._past.setdefault(customer_id, deque(maxlen=_KEPT_VERSIONS)).append((ended, version))

    def _unlist(self, customer: Customer) -> None:
        entry = (customer.updated_at, customer.id)
        del self._by_update[bisect_left(self._by_update, entry)]
        if customer.email:
            self._emails.pop(customer.email.strip().lower(), None)
        if customer.phone:
            self._phones.pop(phone_key(customer.phone), None)

    def _list_contacts(self, customer: Customer) -> None:
        if customer.email:
            self._emails[customer.email.strip().lower()] = customer.id
        if customer.phone:
            self._phones[phone_key(customer.phone)] = customer.id
