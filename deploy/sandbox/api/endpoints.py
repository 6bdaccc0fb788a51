"""The endpoints of the Customer API, in both dialects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.api import listing, nested
from deploy.sandbox.api.nested import customer_of
from deploy.sandbox.api.responses import (
    ApiRequest,
    ApiResponse,
    error,
    format_customer,
    json_response,
    parse_body,
)
from deploy.sandbox.errors import ValidationError
from deploy.sandbox.records import omni, split_tags
from deploy.sandbox.shop import validation

_SPELLINGS: dict[str, Callable[[str], str]] = {"ok": str, "lower": str.lower, "upper": str.upper}


def list_customers(request: ApiRequest) -> ApiResponse:
    chosen = listing.list_customers(
        request.shop, listing.parse_query(request.params, request.dialect, request.shop)
    )
    return json_response({"customers": [format_customer(request, customer) for customer in chosen]})


def search_customers(request: ApiRequest) -> ApiResponse:
    chosen = listing.search_customers(
        request.shop, request.params, listing.parse_query(request.params, request.dialect, request.shop)
    )
    return json_response({"customers": [format_customer(request, customer) for customer in chosen]})


def count_customers(request: ApiRequest) -> ApiResponse:
    return json_response(
        {
            "count": listing.count_customers(
                request.shop, listing.parse_query(request.params, request.dialect, request.shop)
            )
        }
    )


def get_customer(request: ApiRequest) -> ApiResponse:
    return json_response({"customer": format_customer(request, customer_of(request))})


def create_customer(request: ApiRequest) -> ApiResponse:
    if request.cookies:
        return list_customers(
            request
        )  # documented behaviour: a POST with cookies creates nothing and returns a list with status 200
    made = validation.create(request.shop, _customer_fields(request), request.dialect)
    return json_response({"customer": format_customer(request, made, fresh=True)}, 201)


def update_customer(request: ApiRequest) -> ApiResponse:
    return json_response(
        {
            "customer": format_customer(
                request,
                validation.update(
                    request.shop, customer_of(request), _customer_fields(request), request.dialect
                ),
            )
        }
    )


def delete_customer(request: ApiRequest) -> ApiResponse:
    customer = customer_of(request)
    if customer.orders_count:
        raise ValidationError({"base": ["Customer can't be deleted because they have existing orders"]})
    request.shop.remove(customer)
    return json_response([] if request.dialect == "omni" else {})


def add_tags(request: ApiRequest) -> ApiResponse:
    customer = customer_of(request)
    if not request.cookies:
        spell = _SPELLINGS[request.shop.faults.tag_spelling]
        customer = request.shop.set_tags(customer, (*customer.tags, *map(spell, _sent_tags(request))))
    return json_response({"tags": omni.tags(customer.tags)})


def remove_tags(request: ApiRequest) -> ApiResponse:
    gone = set(_sent_tags(request))
    customer = customer_of(request)
    customer = request.shop.set_tags(customer, (tag for tag in customer.tags if tag not in gone))
    return json_response({"tags": omni.tags(customer.tags)})


def list_groups(request: ApiRequest) -> ApiResponse:
    return json_response({"customer_groups": [omni.group(group) for group in request.shop.groups]})


def get_shop(request: ApiRequest) -> ApiResponse:
    shop = request.shop
    if not shop.shop_endpoint:
        return error("Not Found", 404)
    org = int(shop.org) if shop.org.isdigit() else shop.org
    return json_response(
        {"shop": {"id": org, "name": shop.name, "timezone": shop.timezone, "currency": shop.currency}}
    )


def _customer_fields(request: ApiRequest) -> dict[str, Any]:
    given = parse_body(request, "customer")
    if not isinstance(given, dict):
        raise ValidationError({"customer": ["Required parameter missing or invalid"]}, status=400)
    return given


def _sent_tags(request: ApiRequest) -> tuple[str, ...]:
    tags = parse_body(request, "tags")
    if not isinstance(tags, str) or not split_tags(tags):
        raise ValidationError({"tags": ["can't be blank"]})
    return split_tags(tags)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path of the API. The call log counts by `name`; calls to a `metered` endpoint count against the call limit."""

    name: str
    path: str
    scope: str
    handler: Callable[[ApiRequest], ApiResponse | Awaitable[ApiResponse]]
    metered: bool = True

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]


_READ, _WRITE = "com.read_customers", "com.write_customers"

_BOTH = (
    Endpoint("GET customers", "/customers.json", _READ, list_customers),
    Endpoint("POST customers", "/customers.json", _WRITE, create_customer),
    Endpoint("GET count", "/customers/count.json", _READ, count_customers),
    Endpoint("GET search", "/customers/search.json", _READ, search_customers),
    Endpoint("GET customer", "/customers/{id:int}.json", _READ, get_customer),
    Endpoint("PUT customer", "/customers/{id:int}.json", _WRITE, update_customer),
    Endpoint("DELETE customer", "/customers/{id:int}.json", _WRITE, delete_customer),
    Endpoint("GET addresses", "/customers/{id:int}/addresses.json", _READ, nested.list_addresses),
    Endpoint("GET address", "/customers/{id:int}/addresses/{nested:int}.json", _READ, nested.get_address),
)
OMNI = (
    Endpoint("POST tags", "/customers/{id:int}/tags.json", _WRITE, add_tags),
    Endpoint("DELETE tags", "/customers/{id:int}/tags.json", _WRITE, remove_tags),
    *_BOTH,
    Endpoint("GET groups", "/customers/groups.json", _READ, list_groups),
    Endpoint("GET shop", "/shop.json", _READ, get_shop),
)
_METAFIELDS = "/customers/{id:int}/metafields.json"
_METAFIELD = "/customers/{id:int}/metafields/{nested:int}.json"
ADMIN = (
    *_BOTH,
    Endpoint("GET orders", "/orders.json", _READ, nested.list_orders),
    Endpoint("GET orders", "/customers/{id:int}/orders.json", _READ, nested.list_orders),
    Endpoint("GET metafields", _METAFIELDS, _READ, nested.list_metafields),
    Endpoint("POST metafields", _METAFIELDS, _WRITE, nested.create_metafield),
    Endpoint(
        "GET metafields count",
        "/customers/{id:int}/metafields/count.json",
        _READ,
        nested.count_metafields,
    ),
    Endpoint("GET metafield", _METAFIELD, _READ, nested.get_metafield),
    Endpoint("PUT metafield", _METAFIELD, _WRITE, nested.update_metafield),
    Endpoint("DELETE metafield", _METAFIELD, _WRITE, nested.delete_metafield),
)
