"""Today's API, `https://apis.haravan.com/com` (Omni seed): lists by id, and requests that add or remove tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId, format_tags
from service.errors import Refused
from service.sentence import Sentence
from workers.haravan import decoding
from workers.haravan.calls import Call, Request
from workers.haravan.decoding import Batch, Raw
from workers.haravan.dialects.base import (
    PAGE_SIZE,
    BaseDialect,
    checked_tags,
    delete_one,
    get_list,
    put_one,
    query_params,
    with_id,
)
from workers.haravan.errors import single_request


class Omni(BaseDialect):
    """The calls of the Omni seed."""

    batch: Final = PAGE_SIZE  # customers in one `by_ids`

    def by_ids(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        """Up to 50 full records in one call. `decoding.compare` finds missing and unexpected ones."""
        if not 0 < len(customers) <= self.batch:
            raise ValueError(f"1 to {self.batch} customers fit into one call, not {len(customers)}")
        query = query_params(ids=customers, limit=self.batch)
        return single_request(get_list(query), decoding.decode_batch)

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
        """A list as sent, with every parameter of the seed. At most 50, whatever the limit."""
        query = query_params(
            ids=ids,
            since_id=since_id,
            created_at_min=created_at_min,
            created_at_max=created_at_max,
            updated_at_min=updated_at_min,
            updated_at_max=updated_at_max,
            limit=limit,
            page=page,
            fields=with_id(fields),
        )
        return single_request(get_list(query), decoding.decode_raw_customers)

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
        """Customers that match a text, as sent. `order` is for example `last_order_date DESC`, the default."""
        wanted = query_params(
            query=query,
            order=order,
            created_at_min=created_at_min,
            limit=limit,
            page=page,
            fields=with_id(fields),
        )
        return single_request(
            Request("GET search", "/customers/search.json", wanted), decoding.decode_raw_customers
        )

    def create(self, fields: Mapping[str, object]) -> Call[Raw]:
        """Create a customer. The Omni seed has no metafields here."""
        _refuse_metafields(fields)
        return super().create(fields)

    def update(self, customer: CustomerId, fields: Mapping[str, object]) -> Call[Raw]:
        """Change the given fields and return the customer as sent."""
        _refuse_metafields(fields)
        return single_request(put_one(customer, fields), decoding.decode_raw_customer)

    def delete(self, customer: CustomerId) -> Call[None]:
        """Delete a customer. Raises RequestRejected if there are orders. The seed's request has the body `{}`."""
        return single_request(delete_one(customer, json={}), decoding.ignore_body)

    def change_tags(
        self, customer: CustomerId, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Call[tuple[str, ...]]:
        """Add, then remove, each in at most one request. Returns the complete list of the last response."""
        requests = [_tags("POST tags", customer, add)] if add else []
        requests += [_tags("DELETE tags", customer, remove)] if remove else []
        return _send_all(requests)

    def write_of(self, customer: CustomerId) -> Request:
        """The removal of a tag."""
        return _tags("DELETE tags", customer, ["haravan-tagger"])

    def add_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Add tags and return the complete list."""
        return self.change_tags(customer, add=tags)

    def remove_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Remove tags, spelled as in the record, and return the complete list."""
        return self.change_tags(customer, remove=tags)

    def groups(self) -> Call[list[Raw]]:
        """The customer groups as sent."""
        return single_request(Request("GET groups", "/customers/groups.json"), decoding.decode_groups)

    def orders(self, customer: CustomerId) -> Call[list[Raw]]:
        """Raises Refused: the Omni seed has no orders of a customer."""
        raise Refused(
            Sentence(
                "the orders of customer {customer} cannot be listed: today's API documents no such call; connect the shop with the admin dialect to see them",
                customer=customer,
            )
        )


def _tags(endpoint: str, customer: CustomerId, tags: Sequence[str]) -> Request:
    path = f"/customers/{customer}/tags.json"
    return Request(endpoint, path, json={"tags": format_tags(checked_tags(tags))}, customer=customer)


def _send_all(requests: Sequence[Request]) -> Call[tuple[str, ...]]:
    if not requests:
        raise ValueError("there is no tag to add or to remove")
    listed: tuple[str, ...] = ()
    for request in requests:
        listed = yield from single_request(request, decoding.decode_tags)
    return listed


def _refuse_metafields(fields: Mapping[str, object]) -> None:
    if "metafields" in fields:
        raise Refused(Sentence("today's API documents no metafields on a customer; the admin dialect does"))
