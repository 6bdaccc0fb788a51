"""What each endpoint of the Customer API does once a request has passed the gate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from . import intake, listing, omni, order_shape
from .answers import Answer, Ask, answer, payload, refusal, shown
from .intake import Invalid
from .records import Customer, split_tags

_SPELLINGS: dict[str, Callable[[str], str]] = {"ok": str, "lower": str.lower, "upper": str.upper}


class Unknown(Exception):
    """No customer of this shop has the id."""


def list_customers(ask: Ask) -> Answer:
    chosen = listing.listed(ask.shop, listing.read(ask.params, ask.dialect, ask.shop))
    return answer({"customers": [shown(ask, customer) for customer in chosen]})


def search_customers(ask: Ask) -> Answer:
    chosen = listing.found(ask.shop, ask.params, listing.read(ask.params, ask.dialect, ask.shop))
    return answer({"customers": [shown(ask, customer) for customer in chosen]})


def count_customers(ask: Ask) -> Answer:
    return answer({"count": listing.counted(ask.shop, listing.read(ask.params, ask.dialect, ask.shop))})


def get_customer(ask: Ask) -> Answer:
    return answer({"customer": shown(ask, _asked(ask))})


def create_customer(ask: Ask) -> Answer:
    if ask.cookies:
        return list_customers(
            ask
        )  # a POST with cookies "fails with a 200": nothing is created, a list comes back
    made = intake.create(ask.shop, _customer_fields(ask), ask.dialect)
    return answer({"customer": shown(ask, made, fresh=True)}, 201)


def update_customer(ask: Ask) -> Answer:
    return answer(
        {"customer": shown(ask, intake.update(ask.shop, _asked(ask), _customer_fields(ask), ask.dialect))}
    )


def delete_customer(ask: Ask) -> Answer:
    customer = _asked(ask)
    if customer.orders_count:
        raise Invalid({"base": ["Customer can't be deleted because they have existing orders"]})
    ask.shop.remove(customer)
    return answer([] if ask.dialect == "omni" else {})


def add_tags(ask: Ask) -> Answer:
    customer = _asked(ask)
    if not ask.cookies:
        spell = _SPELLINGS[ask.shop.faults.tag_spelling]
        customer = ask.shop.retag(customer, (*customer.tags, *map(spell, _sent_tags(ask))))
    return answer({"tags": omni.tags(customer.tags)})


def remove_tags(ask: Ask) -> Answer:
    gone = set(_sent_tags(ask))
    customer = _asked(ask)
    customer = ask.shop.retag(customer, (tag for tag in customer.tags if tag not in gone))
    return answer({"tags": omni.tags(customer.tags)})


def list_groups(ask: Ask) -> Answer:
    return answer({"customer_groups": [omni.group(group) for group in ask.shop.groups]})


def list_orders(ask: Ask) -> Answer:
    """The orders of one customer, oldest first (admin seed: orders). Without an id, arbitrary ones."""
    shop = ask.shop
    customer = shop.store.get(listing.number(ask.params.get("customer_id"), 0))
    buyers = [customer] if customer else []
    if not ask.params.get("customer_id", "").strip():
        buyers = listing.listed(shop, listing.Wanted(blank=True))
    wanted = listing.read(ask.params, "admin", shop)
    orders = [(order, buyer) for buyer in buyers for order in buyer.orders]
    page = orders[(wanted.page - 1) * wanted.limit :][: wanted.limit]
    return answer(
        {"orders": [order_shape.shape(*one, zone=shop.zone, currency=shop.currency) for one in page]}
    )


def get_shop(ask: Ask) -> Answer:
    shop = ask.shop
    if not shop.shop_endpoint:
        return refusal("Not Found", 404)
    org = int(shop.org) if shop.org.isdigit() else shop.org
    return answer(
        {"shop": {"id": org, "name": shop.name, "timezone": shop.timezone, "currency": shop.currency}}
    )


def _asked(ask: Ask) -> Customer:
    customer = ask.shop.store.get(ask.customer_id or 0)
    if customer is None:
        raise Unknown
    return customer


def _customer_fields(ask: Ask) -> dict[str, Any]:
    given = payload(ask, "customer")
    if not isinstance(given, dict):
        raise Invalid({"customer": ["Required parameter missing or invalid"]}, status=400)
    return given


def _sent_tags(ask: Ask) -> tuple[str, ...]:
    tags = payload(ask, "tags")
    if not isinstance(tags, str) or not split_tags(tags):
        raise Invalid({"tags": ["can't be blank"]})
    return split_tags(tags)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of the API under the name by which calls to it are counted; `metered` ones fill the bucket."""

    name: str
    path: str
    scope: str
    act: Callable[[Ask], Answer | Awaitable[Answer]]
    metered: bool = True

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]


_READ, _WRITE = "com.read_customers", "com.write_customers"

_BOTH = (
    Endpoint("GET customers", "/customers.json", _READ, list_customers),
    Endpoint("POST customers", "/customers.json", _WRITE, create_customer),
    Endpoint("GET count", "/customers/count.json", _READ, count_customers),
    Endpoint("GET customer", "/customers/{id:int}.json", _READ, get_customer),
    Endpoint("PUT customer", "/customers/{id:int}.json", _WRITE, update_customer),
    Endpoint("DELETE customer", "/customers/{id:int}.json", _WRITE, delete_customer),
)
OMNI = (
    Endpoint("POST tags", "/customers/{id:int}/tags.json", _WRITE, add_tags),
    Endpoint("DELETE tags", "/customers/{id:int}/tags.json", _WRITE, remove_tags),
    *_BOTH,
    Endpoint("GET search", "/customers/search.json", _READ, search_customers),
    Endpoint("GET groups", "/customers/groups.json", _READ, list_groups),
    Endpoint("GET shop", "/shop.json", _READ, get_shop),
)
ADMIN = (*_BOTH, Endpoint("GET orders", "/orders.json", _READ, list_orders))
