"""An order to the letter of the admin seed: its fifty keys, filled with what the sandbox knows of the sale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from . import admin, money, order_parts, stamps
from .records import Customer, Order

if TYPE_CHECKING:
    from .shop import Shop

_encode = msgspec.json.Encoder().encode


def body(order: Order, customer: Customer, shop: Shop) -> bytes:
    """The webhook body of an order: `customer.id` says whose it is."""
    return _encode(shape(order, customer, zone=shop.zone, currency=shop.currency))


def shape(order: Order, customer: Customer, *, zone: ZoneInfo, currency: str) -> dict[str, Any]:
    at = stamps.admin(order.at, zone)
    price = money.admin(order.amount)
    item = order_parts.line_item(order, price)
    return {
        "buyer_accepts_marketing": bool(customer.accepts_marketing),
        "cancel_reason": None,
        "cancelled_at": None,
        "cart_token": f"{order.id:032x}",
        "checkout_token": None,
        "closed_at": None,
        "confirmed": False,
        "created_at": at,
        "currency": currency,
        "device_id": None,
        "email": customer.email,
        "financial_status": _financial_status(order),
        "fulfillment_status": None,
        "gateway": "cod",
        "id": order.id,
        "landing_site": "http://www.example.com?source=abc",
        "location_id": None,
        "name": order.name,
        "note": None,
        "number": order.number,
        "processed_at": at,
        "reference": f"{order.id:x}",
        "referring_site": "http://www.example.com",
        "source_identifier": f"{order.id:x}",
        "source_url": None,
        "subtotal_price": price,
        "taxes_included": False,
        "test": False,
        "token": f"{order.id * 2_654_435_761 % 2**128:032x}",
        "total_discounts": "0.00",
        "total_line_items_price": price,
        "total_price": price,
        "total_price_usd": price,
        "total_tax": "0.00",
        "total_weight": 0,
        "updated_at": at,
        "user_id": None,
        "browser_ip": None,
        "landing_site_ref": "abc",
        "order_number": 100_000 + order.number,
        "discount_codes": [],
        "note_attributes": [],
        "processing_method": "direct",
        "source": "browser",
        "checkout_id": order.id,
        "source_name": "web",
        "tax_lines": [],
        "tags": "",
        "line_items": [item],
        "shipping_lines": [order_parts.SHIPPING],
        "billing_address": order_parts.place(customer),
        "shipping_address": order_parts.place(customer),
        "fulfillments": [order_parts.fulfillment(order, at, item)],
        "client_details": order_parts.CLIENT,
        "refunds": [order_parts.refund(order, at, item, currency)] if order.refunded else [],
        "payment_details": order_parts.PAYMENT,
        "customer": admin.embedded(customer, zone),
    }


def _financial_status(order: Order) -> str:
    if not order.refunded:
        return "paid"
    return "refunded" if order.refunded >= order.amount else "partially_refunded"
