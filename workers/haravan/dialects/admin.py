"""The older API, `https://{shop}.myharavan.com/admin` (admin seed): no lists by id, and tags as one string."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId, CustomerRecord, TagChange, apply_change, format_tags, tag_set
from service.errors import ApiUnavailable, CustomerNotFound, MalformedData, Refused
from service.sentence import Sentence
from workers.haravan import decoding
from workers.haravan.calls import Call, Request
from workers.haravan.decoding import Batch, Raw, UnreadableRecord
from workers.haravan.dialects.base import (
    BaseDialect,
    checked_tags,
    delete_one,
    get_list,
    get_one,
    put_one,
    query_params,
    with_id,
)
from workers.haravan.errors import single_request


class Admin(BaseDialect):
    """The calls of the admin seed."""

    batch: Final = 1  # the seed has no `ids`: an unknown filter would return arbitrary customers

    def by_ids(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        """One GET for each customer. Customers that do not exist are left out, as in a list."""
        if not customers:
            raise ValueError("1 customer or more is needed")
        return self._get_each(customers)

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
        """A list as sent, with every parameter of the seed. At most 250. Raises Refused for `ids`."""
        if ids is not None:
            raise Refused(
                Sentence("the older API does not document a list by ids; get the customers one by one")
            )
        query = query_params(
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
        """Raises Refused: the admin seed has no search."""
        raise Refused(Sentence("the older API documents no search; connect the shop with the omni dialect"))

    def update(self, customer: CustomerId, fields: Mapping[str, object]) -> Call[Raw]:
        """Change the given fields, also metafields, and return the customer as sent."""
        return single_request(put_one(customer, {"id": customer, **fields}), decoding.decode_raw_customer)

    def delete(self, customer: CustomerId) -> Call[None]:
        """Delete a customer. Raises RequestRejected if there are orders."""
        return single_request(delete_one(customer), decoding.ignore_body)

    def change_tags(
        self, customer: CustomerId, *, add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> Call[tuple[str, ...]]:
        """Read the tags, then write the complete string if it differs. Returns the complete list.

        A change by a person between the two requests is overwritten: this API has no safer way.
        """
        change = TagChange(add=tuple(checked_tags(add)), remove=tuple(checked_tags(remove)))
        if not change:
            raise ValueError("there is no tag to add or to remove")
        return self._rewrite(customer, change)

    def write_of(self, customer: CustomerId) -> Request:
        """The update of a customer, without a field."""
        return put_one(customer, {"id": customer})

    def add_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Add tags and return the complete list."""
        return self.change_tags(customer, add=tags)

    def remove_tags(self, customer: CustomerId, tags: Sequence[str]) -> Call[tuple[str, ...]]:
        """Remove tags and return the complete list."""
        return self.change_tags(customer, remove=tags)

    def groups(self) -> Call[list[Raw]]:
        """Raises Refused: the admin seed has no groups."""
        raise Refused(
            Sentence("the older API documents no customer groups; connect the shop with the omni dialect")
        )

    def orders(self, customer: CustomerId) -> Call[list[Raw]]:
        """The orders of a customer, as sent."""
        query = query_params(customer_id=customer)
        return single_request(Request("GET orders", "/orders.json", query), decoding.decode_orders)

    def _get_each(self, customers: Sequence[CustomerId]) -> Call[Batch]:
        records: list[CustomerRecord] = []
        unreadable: list[UnreadableRecord] = []
        for customer in customers:
            try:
                records.append((yield from self.get(customer)))
            except CustomerNotFound:
                continue
            except MalformedData as exc:
                unreadable.append(UnreadableRecord(customer, str(exc)))
        return Batch(tuple(records), tuple(unreadable))

    def _rewrite(self, customer: CustomerId, change: TagChange) -> Call[tuple[str, ...]]:
        read = yield from single_request(get_one(customer), decoding.decode_record)
        _require_same(read, customer)
        _require_tags(read)
        current = tag_set(read.customer.tags)
        wanted = apply_change(current, change)
        if wanted.names == current.names:
            return current.names
        request = put_one(customer, {"id": customer, "tags": format_tags(wanted.names)})
        written = yield from single_request(request, decoding.decode_record)
        _require_same(written, customer)
        _require_tags(written)
        return written.customer.tags


def _require_same(record: CustomerRecord, customer: CustomerId) -> None:
    """Another customer's tags say nothing about this one's."""
    if record.customer.id != customer:
        raise ApiUnavailable(Sentence("the API answered with another customer"), status=200)


def _require_tags(record: CustomerRecord) -> None:
    """A record without the key `tags` may have tags: writing the string would erase them all."""
    if "tags" in record.missing_keys:
        raise ApiUnavailable(Sentence("GET customer answered without tags"), status=200)
