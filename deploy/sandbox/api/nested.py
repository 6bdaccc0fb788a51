"""What lies below one customer: orders, addresses and metafields, at the paths that clients of the older API call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from deploy.sandbox.api import listing
from deploy.sandbox.api.responses import ApiRequest, ApiResponse, NoSuchRecord, json_response, parse_body
from deploy.sandbox.records import Address, Customer, Metafield, admin, format_order, metafields, omni

T = TypeVar("T")


def list_orders(request: ApiRequest) -> ApiResponse:
    """The orders of one customer, oldest first (admin seed: orders). Without a customer: arbitrary orders."""
    shop = request.shop
    if request.customer_id is not None:
        buyers = [customer_of(request)]
    elif request.params.get("customer_id", "").strip():
        customer = shop.store.get(listing.positive_int(request.params["customer_id"], 0))
        buyers = [customer] if customer else []
    else:
        buyers = listing.list_customers(shop, listing.ListQuery(blank=True))
    orders = [(order, buyer) for buyer in buyers for order in buyer.orders]
    page = _page(request, orders)
    return json_response(
        {"orders": [format_order(*sale, zone=shop.zone, currency=shop.currency) for sale in page]}
    )


def list_addresses(request: ApiRequest) -> ApiResponse:
    """The addresses of one customer, as its record has them."""
    addresses = _page(request, customer_of(request).addresses)
    return json_response({"addresses": [_format_address(request, address) for address in addresses]})


def get_address(request: ApiRequest) -> ApiResponse:
    for address in customer_of(request).addresses:
        if address.id == request.nested_id:
            return json_response({"customer_address": _format_address(request, address)})
    raise NoSuchRecord


def list_metafields(request: ApiRequest) -> ApiResponse:
    customer = customer_of(request)
    page = _page(request, customer.metafields)
    return json_response({"metafields": [_format_metafield(request, item) for item in page]})


def count_metafields(request: ApiRequest) -> ApiResponse:
    return json_response({"count": len(customer_of(request).metafields)})


def get_metafield(request: ApiRequest) -> ApiResponse:
    return json_response({"metafield": _format_metafield(request, _metafield_of(request))})


def create_metafield(request: ApiRequest) -> ApiResponse:
    """Add a metafield, or change the one with its namespace and key."""
    shop, customer = request.shop, customer_of(request)
    origin = metafields.Origin(shop.now(), lambda: shop.counters.take("metafield"))
    every, made = metafields.put(customer.metafields, parse_body(request, "metafield"), origin)
    _store(request, customer, every)
    return json_response({"metafield": _format_metafield(request, made)}, 201)


def update_metafield(request: ApiRequest) -> ApiResponse:
    customer, metafield = customer_of(request), _metafield_of(request)
    given = parse_body(request, "metafield")
    every, changed = metafields.change(customer.metafields, metafield, given, at=request.shop.now())
    _store(request, customer, every)
    return json_response({"metafield": _format_metafield(request, changed)})


def delete_metafield(request: ApiRequest) -> ApiResponse:
    customer, gone = customer_of(request), _metafield_of(request)
    _store(request, customer, tuple(item for item in customer.metafields if item.id != gone.id))
    return json_response({})


def customer_of(request: ApiRequest) -> Customer:
    """The customer of the path. Raises NoSuchRecord."""
    customer = request.shop.store.get(request.customer_id or 0)
    if customer is None:
        raise NoSuchRecord
    return customer


def _metafield_of(request: ApiRequest) -> Metafield:
    for metafield in customer_of(request).metafields:
        if metafield.id == request.nested_id:
            return metafield
    raise NoSuchRecord


def _store(request: ApiRequest, customer: Customer, every: metafields.Metafields) -> None:
    """Metafields are no part of the customer's record: it stays as it is, and no webhook is sent."""
    request.shop.change(replace(customer, metafields=every), announce=False, touch=False)


def _page(request: ApiRequest, items: Sequence[T]) -> Sequence[T]:
    wanted = listing.parse_query(request.params, request.dialect, request.shop)
    return items[(wanted.page - 1) * wanted.limit :][: wanted.limit]


def _format_address(request: ApiRequest, address: Address) -> dict[str, Any]:
    return omni.address(address) if request.dialect == "omni" else admin.address(address)


def _format_metafield(request: ApiRequest, metafield: Metafield) -> dict[str, Any]:
    return metafields.format_metafield(metafield, request.customer_id or 0, request.shop.zone)
