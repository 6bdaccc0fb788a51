"""Today's API, `https://apis.haravan.com/com` (Omni seed): batches by id, tags added and removed on their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId
from service.domain.tags import join_tags
from service.errors import Refused
from workers.haravan import bodies
from workers.haravan.dialects.customers import PAGE, Customers, delete_one, get_list, put_one
from workers.haravan.dialects.filters import chosen, filters, sendable
from workers.haravan.records import Batch, Raw
from workers.haravan.requests import Call, Request
from workers.haravan.responses import ask


class Omni(Customers):
    """The calls of the Omni seed."""

    batch: Final = PAGE  # how many customers one `by_ids` may ask for

    def by_ids(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        """Up to 50 full records in one call. What comes is returned: `records.compare` it with what was asked."""
        if not 0 < len(customers) <= self.batch:
            raise ValueError(f"1 to {self.batch} customers fit into one call, not {len(customers)}")
        return ask(get_list(filters(ids=customers, limit=self.batch)), bodies.many)

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
        """A list as sent, with every parameter of the seed (50 at most, whatever the limit)."""
        query = filters(
            ids=ids,
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
        """Customers that match a text, as sent; `order` as in `last_order_date DESC`, the default."""
        wanted = filters(
            query=query,
            order=order,
            created_at_min=created_at_min,
            limit=limit,
            page=page,
            fields=chosen(fields),
        )
        return ask(Request("GET search", "/customers/search.json", wanted), bodies.raw_many)

    def create(self, fields: Mapping[str, object]) -> Call[Raw]:
        """Make a customer; the Omni seed knows no metafields here."""
        _without_metafields(fields)
        return super().create(fields)

    def update(self, customer: CustomerId, fields: Mapping[str, object]) -> Call[Raw]:
        """Change the fields that are named; returns the customer as sent."""
        _without_metafields(fields)
        return ask(put_one(customer, fields), bodies.raw_one)

    def delete(self, customer: CustomerId) -> Call[None]:
        """Delete a customer; Rejected while there are orders. The seed's request has the body `{}`."""
        return ask(delete_one(customer, json={}), bodies.nothing)

    def change_tags(
        self, customer: CustomerId, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Call[tuple[str, ...]]:
        """Add first, then remove, each in at most one call; returns the whole list that the last answer shows."""
        requests = [_tags("POST tags", customer, add)] if add else []
        requests += [_tags("DELETE tags", customer, remove)] if remove else []
        return _in_turn(requests)

    def add_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Add tags; returns the whole list."""
        return self.change_tags(customer, add=tags)

    def remove_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Remove tags, spelled as the record spells them; returns the whole list."""
        return self.change_tags(customer, remove=tags)

    def groups(self) -> Call[list[Raw]]:
        """The customer groups as sent."""
        return ask(Request("GET groups", "/customers/groups.json"), bodies.groups)

    def orders(self, customer: CustomerId) -> Call[list[Raw]]:
        """Raises Refused: the Omni seed has no orders of a customer."""
        raise Refused(
            f"the orders of customer {customer} cannot be listed: today's API documents no such call; "
            "connect the shop with the admin dialect to see them"
        )


def _tags(endpoint: str, customer: CustomerId, tags: Sequence[str]) -> Request:
    path = f"/customers/{customer}/tags.json"
    return Request(endpoint, path, json={"tags": join_tags(sendable(tags))}, customer=customer)


def _in_turn(requests: Sequence[Request]) -> Call[tuple[str, ...]]:
    if not requests:
        raise ValueError("there is no tag to add or to remove")
    answered: tuple[str, ...] = ()
    for request in requests:
        answered = yield from ask(request, bodies.tags)
    return answered


def _without_metafields(fields: Mapping[str, object]) -> None:
    if "metafields" in fields:
        raise Refused("today's API documents no metafields on a customer; the admin dialect does")
