"""The calls that both API documents share: one customer, lists, counting, creating."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from service.domain.customers import CustomerId
from service.domain.records import Record
from service.errors import Unauthorised, Unavailable
from workers.haravan import bodies
from workers.haravan.dialects.filters import chosen, filters
from workers.haravan.records import Batch, Raw
from workers.haravan.requests import Call, Request
from workers.haravan.responses import ask, understood

PAGE: Final = 50  # Omni clamps to it whatever is asked (haravan.md, API)


class Customers:
    """Calls as generators: they say what to send and understand what comes back, and touch no socket.

    What workers use gives Records; what people look at (`show`, `listing`, `search`, …) gives the JSON as sent.
    """

    def get(self, customer: CustomerId) -> Call[Record]:
        """One full record; raises Gone, and Unreadable for a record that cannot be read."""
        return ask(get_one(customer), bodies.one)

    def show(self, customer: CustomerId, *, fields: Sequence[str] | None = None) -> Call[Raw]:
        """One customer as sent, whole or only these fields."""
        return ask(get_one(customer, fields), bodies.raw_one)

    def page(
        self,
        since_id: int = 0,
        *,
        limit: int = PAGE,
        updated_min: datetime | None = None,
        fields: Sequence[str] | None = None,
    ) -> Call[Batch]:
        """The next customers by id, full records unless `fields` names some. Only an empty page is the last."""
        query = filters(
            since_id=since_id, limit=min(limit, PAGE), updated_at_min=updated_min, fields=chosen(fields)
        )
        return ask(get_list(query), bodies.many)

    def count(self) -> Call[int]:
        return ask(Request("GET count", "/customers/count.json"), bodies.count)

    def create(self, fields: Mapping[str, object]) -> Call[Raw]:
        """Make a customer; returns it as sent. Raises Rejected where the API refuses (a second e-mail, no name)."""
        return ask(
            Request("POST customers", "/customers.json", json={"customer": dict(fields)}), bodies.raw_one
        )

    def shop(self) -> Call[Raw | None]:
        """Which shop the token opens, or None where the API does not say.

        Neither seed documents it; a token without the scope gets 403, an API without the endpoint 404.
        """
        request = Request("GET shop", "/shop.json")
        response = yield request
        try:
            return understood(request, response, bodies.shop)
        except Unauthorised as exc:
            if exc.status == 401:
                raise
        except Unavailable as exc:
            if exc.status != 404:
                raise
        return None


def get_one(customer: CustomerId, fields: Sequence[str] | None = None) -> Request:
    """One customer, whole or some fields."""
    query = filters(fields=chosen(fields))
    return Request("GET customer", f"/customers/{customer}.json", query, customer=customer)


def get_list(query: Mapping[str, str]) -> Request:
    """A list of customers."""
    return Request("GET customers", "/customers.json", query)


def put_one(customer: CustomerId, fields: Mapping[str, object]) -> Request:
    """Change one customer."""
    path = f"/customers/{customer}.json"
    return Request("PUT customer", path, json={"customer": dict(fields)}, customer=customer)


def delete_one(customer: CustomerId, *, json: object | None = None) -> Request:
    """Delete one customer."""
    return Request("DELETE customer", f"/customers/{customer}.json", json=json, customer=customer)
