"""The customers of one shop, indexed by id, e-mail, phone and time of change, with their recent versions."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator

from deploy.sandbox.records import Customer, Stamp

_MAX_VERSIONS = 16
_NOT_A_DIGIT = re.compile(r"\D")


def phone_key(phone: str) -> str:
    """A phone number in one format: `+84 333 333 333` becomes `0333333333`."""
    digits = _NOT_A_DIGIT.sub("", phone)
    return "0" + digits[2:] if digits.startswith("84") and len(digits) > 10 else digits


class CustomerStore:
    """The customers of one shop. The cost of a list by id depends on its result, not on the size of the shop."""

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
        """All ids, ascending. Do not change the list."""
        return self._ids

    def after(self, customer_id: int) -> int:
        """The index in `ids` of the first id above `customer_id`."""
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
        """Make this the current version. The previous version ended at `at`."""
        before = self._customers.get(customer.id)
        self._remember(customer.id, before, at)
        if before is None:
            insort(self._ids, customer.id)
        else:
            self._remove_from_indexes(before)
        self._customers[customer.id] = customer
        insort(self._by_update, (customer.updated_at, customer.id))
        self._index_contacts(customer)

    def put_all(self, customers: Iterable[Customer]) -> None:
        """Add many new customers at once. They have no earlier version."""
        for customer in customers:
            self._customers[customer.id] = customer
            self._index_contacts(customer)
        self._ids = sorted(self._customers)
        self._by_update = sorted((customer.updated_at, customer.id) for customer in self._customers.values())

    def remove(self, customer_id: int, *, at: Stamp) -> None:
        before = self._customers.pop(customer_id)
        self._remember(customer_id, before, at)
        del self._ids[bisect_left(self._ids, customer_id)]
        self._remove_from_indexes(before)

    def as_of(self, customer_id: int, at: Stamp) -> Customer | None:
        """The version that was current at `at`. Only the last 16 versions are known."""
        for ended, version in self._past.get(customer_id, ()):
            if ended > at:
                return version
        return self._customers.get(customer_id)

    def ids_as_of(self, at: Stamp) -> list[int]:
        """The ids of a list as of `at`, ascending, including customers deleted since then."""
        gone = [key for key, past in self._past.items() if key not in self._customers and past[-1][0] > at]
        return sorted([*self._ids, *gone]) if gone else self._ids

    def _remember(self, customer_id: int, version: Customer | None, ended: Stamp) -> None:
        self._past.setdefault(customer_id, deque(maxlen=_MAX_VERSIONS)).append((ended, version))

    def _remove_from_indexes(self, customer: Customer) -> None:
        entry = (customer.updated_at, customer.id)
        del self._by_update[bisect_left(self._by_update, entry)]
        if customer.email:
            self._emails.pop(customer.email.strip().lower(), None)
        if customer.phone:
            self._phones.pop(phone_key(customer.phone), None)

    def _index_contacts(self, customer: Customer) -> None:
        if customer.email:
            self._emails[customer.email.strip().lower()] = customer.id
        if customer.phone:
            self._phones[phone_key(customer.phone)] = customer.id
