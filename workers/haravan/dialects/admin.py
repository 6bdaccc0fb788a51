"""The older API, `https://{shop}.myharavan.com/admin` (admin seed): no batches by id, tags as one whole string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId
from service.domain.records import Record
from service.domain.tags import TagChange, after, join_tags, tag_set
from service.errors import Gone, Refused, Unavailable, Unreadable
from workers.haravan import bodies
from workers.haravan.dialects.customers import Customers, delete_one, get_list, get_one, put_one
from workers.haravan.dialects.filters import chosen, filters, sendable
from workers.haravan.records import Batch, Poison, Raw
from workers.haravan.requests import Call, Request
from workers.haravan.responses import ask


class Admin(Customers):
    """The calls of the admin seed."""

    batch: Final = 1  # the seed knows no `ids`: an unknown filter would bring arbitrary customers

    def by_ids(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        """One GET for each customer; who is gone is left out, as a list would do."""
        if not customers:
            raise ValueError("1 customer or more is needed")
        return self._each(customers)

    def listing(
        self,
        *,
        ids: Sequence[CustomerId] | None = None,
        since_id: int | None = None,
        created_at_min: datetime | None = None,
        created_at_max: datetime | None = None,
        updated_at_min: datetime | None = None,
        updated_at_max: datetime | None = None,
        limit: int | None = None,
        page: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Call[list[Raw]]:
        """A list as sent, with every parameter of the seed (250 at most); Refused with `ids`."""
        if ids is not None:
            raise Refused("the older API does not document a list by ids; get the customers one by one")
        query = filters(
            since_id=since_id,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            limit=limit,
            page=page,
            fields=chosen(fields),
        )
        return ask(get_list(query), bodies.raw_many)

    def search(
        self,
        query: str,
        *,
        order: str | None = None,
        created_at_min: datetime | None = None,
        limit: int | None = None,
        page: int | None = None,
        fields: Sequence[str] | None = None,
    ) -> Call[list[Raw]]:
        """Raises Refused: the admin seed has no search."""
        raise Refused("the older API documents no search; connect the shop with the omni dialect")

    def update(self, customer: CustomerId, fields: Mapping[str, object]) -> Call[Raw]:
        """Change the fields that are named, metafields too; returns the customer as sent."""
        return ask(put_one(customer, {"id": customer, **fields}), bodies.raw_one)

    def delete(self, customer: CustomerId) -> Call[None]:
        """Delete a customer; Rejected while there are orders."""
        return ask(delete_one(customer), bodies.nothing)

    def change_tags(
        self, customer: CustomerId, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Call[tuple[str, ...]]:
        """Read the tags, then write the whole string, unless it is right already; returns the list afterwards.

        What a person changes between the two calls is overwritten: this API offers nothing better.
        """
        change = TagChange(add=tuple(sendable(add)), remove=tuple(sendable(remove)))
        if not change:
            raise ValueError("there is no tag to add or to remove")
        return self._rewrite(customer, change)

    def add_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Add tags; returns the whole list."""
        return self.change_tags(customer, add=tags)

    def remove_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Remove tags; returns the whole list."""
        return self.change_tags(customer, remove=tags)

    def groups(self) -> Call[list[Raw]]:
        """Raises Refused: the admin seed has no groups."""
        raise Refused("the older API documents no customer groups; connect the shop with the omni dialect")

    def orders(self, customer: CustomerId) -> Call[list[Raw]]:
        """The orders of a customer, as sent."""
        query = filters(customer_id=customer)
        return ask(Request("GET orders", "/orders.json", query), bodies.orders)

    def _each(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        found: list[Record] = []
        poisons: list[Poison] = []
        for customer in customers:
            try:
                found.append((yield from self.get(customer)))
            except Gone:
                continue
            except Unreadable as exc:
                poisons.append(Poison(customer, str(exc)))
        return Batch(tuple(found), tuple(poisons))

    def _rewrite(self, customer: CustomerId, change: TagChange) -> Call[tuple[str, ...]]:
        read = yield from ask(get_one(customer), bodies.one)
        _told_of_tags(read)
        current = tag_set(read.customer.tags)
        wanted = after(current, change)
        if wanted.listed == current.listed:
            return current.listed
        request = put_one(customer, {"id": customer, "tags": join_tags(wanted.listed)})
        written = yield from ask(request, bodies.one)
        _told_of_tags(written)
        return written.customer.tags


def _told_of_tags(record: Record) -> None:
    """A record without the key `tags` is not one without tags: writing the string would erase them all."""
    if "tags" in record.missing:
        raise Unavailable("GET customer answered without tags", status=200)
